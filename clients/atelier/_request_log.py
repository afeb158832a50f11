"""A line for each request, through Python's logging, to the logger `atelier`."""

import io
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal, TextIO

from PIL import Image
from tritonclient.grpc import service_pb2 as messages

from atelier._calls import bytes_elements
from atelier._transport import Request, StatusError

LOGGER: Final = logging.getLogger("atelier")


@contextmanager
def logged(request: Request) -> Iterator[None]:
    """Logs what became of a request when the block ends, where somebody listens at level INFO."""
    if not LOGGER.isEnabledFor(logging.INFO):
        yield
        return
    start, result = time.perf_counter(), "OK"
    try:
        yield
    except StatusError as error:
        result = error.code.name
        raise
    except BaseException as error:  # Cancelled, or interrupted.
        result = type(error).__name__
        raise
    finally:
        fields = {
            "method": request.method,
            "model": request.model,
            **_contents(request),
            "milliseconds": round((time.perf_counter() - start) * 1e3, 1),
            "result": result,
            "request_id": request.id,
        }
        text = " ".join(f"{name}={value}" for name, value in fields.items() if value != "")
        LOGGER.info("%s", text, extra={"request": fields})


def write_log(kind: Literal["text", "json"], stream: TextIO) -> None:
    """Has a line of text, or of JSON, written for each request, with its time of day."""
    handler = logging.StreamHandler(stream)
    if kind == "json":
        handler.setFormatter(_JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", "%H:%M:%S"))
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


class _JsonFormatter(logging.Formatter):
    """A line of JSON: the time in ISO 8601 with its zone, and the fields of the request."""

    def format(self, record: logging.LogRecord) -> str:
        local = time.localtime(record.created)
        moment = time.strftime(f"%Y-%m-%dT%H:%M:%S.{int(record.msecs):03}%z", local)
        return json.dumps({"time": moment, **getattr(record, "request", {})})


def _contents(request: Request) -> dict[str, str]:
    """The version, the style and the size of the image that an inference asks for."""
    if request.method != "ModelInfer":
        return {}
    message = messages.ModelInferRequest.FromString(request.body)
    found: dict[str, str] = {}
    asked = message.parameters
    if message.model_version:
        found["version"] = message.model_version
    elif "network_version" in asked:
        found["version"] = str(asked["network_version"].int64_param)
    for tensor, raw in zip(message.inputs, message.raw_input_contents, strict=False):
        if tensor.name == "style":
            found["style"] = b",".join(bytes_elements(raw)).decode(errors="replace")
        if tensor.name == "image":
            found["size"] = _size(tensor, raw)
    return found


def _size(tensor: Any, raw: bytes) -> str:
    """WIDTHxHEIGHT, or nothing where Pillow cannot tell."""
    if tensor.datatype != "BYTES":  # (N, H, W, 3)
        return f"{tensor.shape[2]}x{tensor.shape[1]}"
    try:
        with Image.open(io.BytesIO(bytes_elements(raw)[0])) as image:
            return f"{image.width}x{image.height}"
    except Exception:  # Malformed bytes make Pillow raise almost anything; the server says more.
        return ""
