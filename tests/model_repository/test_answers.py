"""From what a model's work gives to the response, with a Triton that is none."""

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
from answers import Answers

OUTPUTS = ("image", "network_version")


class Tensor:
    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name


UTILS = SimpleNamespace(
    InferenceResponse=lambda tensors: [tensor.name() for tensor in tensors],
    TritonError=SimpleNamespace(),
)
METRICS: Any = SimpleNamespace(
    within=lambda _: contextlib.nullcontext(), served=lambda seconds: None
)


@pytest.mark.parametrize("asked_for", [OUTPUTS, OUTPUTS[:1], OUTPUTS[1:]])
def test_a_response_holds_what_was_asked_for_and_no_more(asked_for):
    answers = Answers(UTILS, "model", METRICS, {}, lambda *_: list(map(Tensor, OUTPUTS)))
    request = SimpleNamespace(requested_output_names=lambda: set(asked_for))
    assert answers.answer(request, lambda: 1.0) == list(asked_for)
