"""How much a request may bring, before the network takes a multiple of it in memory."""

from __future__ import annotations

from typing import Final

from atelier_onnxruntime.batch import Arrays

MAX_INPUT_BYTES: Final = "max_input_bytes"
"""The parameter of a model's configuration that says it: of all inputs of one request together,
with its batch. Without it there is no bound; NVIDIA's backend does not know it and has none."""


def refusal(inputs: Arrays, most: int) -> str:
    """Says why a request is refused, or nothing if it is not.

    Args:
        inputs: The inputs of the request; of text, the pointers count.
        most: How many bytes they may have.
    """
    size = sum(array.nbytes for array in inputs.values())
    if size <= most:
        return ""
    shapes = ", ".join(f"'{name}' {list(array.shape)}" for name, array in inputs.items())
    return (
        f"the inputs have {size:,} bytes ({shapes}), more than the {most:,} that this model takes "
        f"in a request ({MAX_INPUT_BYTES} in its config.pbtxt): send less at once"
    )
