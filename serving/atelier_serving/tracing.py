"""Traces for an OpenTelemetry collector.

Triton makes the spans: of a request, of the model that was asked, and of what it computes. What
comes with the header `traceparent` is always traced, and its spans belong to that trace.
"""

from urllib.parse import urlsplit

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
    spans = (f"url={whole}", "resource=service.name=atelier")
    return [
        *(f"--trace-config={setting}" for setting in settings),
        *(f"--trace-config=opentelemetry,{setting}" for setting in spans),
    ]
