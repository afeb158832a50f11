"""What `--backend-config=onnxruntime,NAME=VALUE` says to the embedded `onnxruntime` backend.

Triton hands such settings to backends in C++ alone. What the embedded backend, which is Python,
honours of those of NVIDIA's reaches it in its environment; what it cannot honour is refused here.
"""

import difflib
from collections.abc import Iterator, Sequence

DEFAULT_MAX_BATCH_SIZE = "default-max-batch-size"
VARIABLE = "ATELIER_ONNXRUNTIME_DEFAULT_MAX_BATCH_SIZE"
"""The variable that the backend reads; see `atelier_onnxruntime.parameters`."""

_OPTION = "--backend-config"
_OFF = {"0", "false", "off"}
_INSTEAD = (
    "set intra_op_thread_count and inter_op_thread_count in the parameters of each model's "
    "config.pbtxt, or serve with NVIDIA's container"
)
_OF_PYTHON_BACKENDS = (
    "shm-default-byte-size",
    "shm-growth-byte-size",
    "stub-timeout-seconds",
    "min-compute-capability",
)
_KNOWN = (
    DEFAULT_MAX_BATCH_SIZE,
    "enable-global-threadpool",
    "intra_op_thread_count",
    "inter_op_thread_count",
    *_OF_PYTHON_BACKENDS,
)


def environment_of(options: Sequence[str]) -> dict[str, str]:
    """The variables by which the backend learns its settings.

    Args:
        options: Options of `tritonserver`.

    Raises:
        ValueError: A setting cannot be honoured; the message names it.
    """
    found: dict[str, str] = {}
    for backend, name, value in _settings(options):
        # Without a backend, it is for every one that has no setting of its own.
        if name == DEFAULT_MAX_BATCH_SIZE and backend in {"onnxruntime", ""}:
            if not value.isdecimal():
                raise ValueError(f"{_OPTION}: {name} is {value!r}; give a whole number from 0")
            found[backend] = value
        elif backend == "onnxruntime":
            _refuse_what_is_not_honoured(name, value)
    value = found.get("onnxruntime", found.get("", ""))
    return {VARIABLE: value} if value else {}


def _refuse_what_is_not_honoured(name: str, value: str) -> None:
    option = f"{_OPTION}=onnxruntime,{name}"
    if name == "enable-global-threadpool":
        if value.lower() not in _OFF:
            raise ValueError(
                f"{option}: each instance of a model is a process of its own here, and processes "
                f"share no threads; {_INSTEAD}"
            )
    elif name in {"intra_op_thread_count", "inter_op_thread_count"}:
        raise ValueError(
            f"{option}: it is for the global thread pool, which is not here; {_INSTEAD}"
        )
    elif name not in _OF_PYTHON_BACKENDS:
        nearest = difflib.get_close_matches(name, _KNOWN, 1)
        hint = f"; the nearest is {nearest[0]}" if nearest else ""
        raise ValueError(f"{option}: the embedded backend knows no such setting{hint}")


def _settings(options: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Backend (empty if for all), name and value of each setting; Triton refuses other forms."""
    for index, option in enumerate(options):
        name, equals, text = option.partition("=")
        if name == _OPTION:
            text = text if equals else "".join(options[index + 1 : index + 2])
            backend, comma, setting = text.partition(",")
            name, _, value = (setting if comma else text).partition("=")
            yield backend if comma else "", name, value
