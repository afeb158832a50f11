"""A span of OpenTelemetry for each request, which the server's spans belong to.

It takes an application that has imported OpenTelemetry; otherwise nothing happens, and nothing is
imported.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from atelier._transport import Request


@contextmanager
def traced(request: Request) -> Iterator[Request]:
    """Makes the block a span; yields the request as it is to be sent, with the span's name in it.

    Where the application does not sample, nothing is sent: Triton records whatever names a trace.
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        yield request
        return
    attributes = {
        "rpc.system": "grpc",
        "rpc.method": request.method,
        "atelier.model": request.model,
        "atelier.request_id": request.id,
    }
    name = f"{request.method} {request.model}".strip()
    with trace.get_tracer("atelier").start_as_current_span(
        name, kind=trace.SpanKind.CLIENT, attributes=attributes
    ) as span:
        context = span.get_span_context()
        if context.is_valid and context.trace_flags.sampled:
            # W3C Trace Context: version, trace, parent, flags.
            parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
            request = replace(request, traceparent=parent)
        yield request
