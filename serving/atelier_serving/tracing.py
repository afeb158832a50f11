"""Traces for an OpenTelemetry collector.

Triton makes the spans: of a request, of the model that was asked, and of what it computes. What
comes with the header `traceparent` is always traced, and its spans belong to that trace. Models in
Python add the steps of their work, and learn the collector's address from the environment.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

_URL = "--trace-config=opentelemetry,url="
VARIABLE = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
PATH = "/v1/traces"
"""Where a collector takes OTLP over HTTP, if its address has no path."""


def trace_options(url: str, rate: int) -> list[str]:
    """The options of Triton that switch tracing on.

    Args:
        url: The collector's address for OTLP over HTTP, such as `http://localhost:4318`.
        rate: Traces one of so many requests that come without a `traceparent`.

    Raises:
        ValueError: The address is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"{url!r} is no address of a collector: give http://HOST:4318, for OTLP over HTTP"
        )
    whole = url if parts.path.strip("/") else url.rstrip("/") + PATH
    settings = ("mode=opentelemetry", "level=TIMESTAMPS", f"rate={rate}")
    return [
        *(f"--trace-config={setting}" for setting in settings),
        _URL + whole,
        "--trace-config=opentelemetry,resource=service.name=atelier",
    ]


def environment_of(options: Sequence[str]) -> dict[str, str]:
    """The variable by which models in Python learn the collector's address.

    Args:
        options: Options of `tritonserver`.
    """
    urls = [option.removeprefix(_URL) for option in options if option.startswith(_URL)]
    return {VARIABLE: urls[-1]} if urls else {}
