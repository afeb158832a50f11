"""Spans of what a model does for a request, for a collector of OpenTelemetry.

Triton's own span of a queued model ends when the request is queued. These are that span's children;
they go out once a second as OTLP over HTTP, in JSON (opentelemetry-proto 1.3).
"""

import json
import os
import secrets
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from urllib.parse import unquote

URL = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
"""The variable with the collector's whole address; without it nothing is noted."""
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
"""The variable with more headers: `name=value,name=value`, percent-encoded."""
SERVICE = "OTEL_SERVICE_NAME"
MAX_SPANS = 2048
"""So many are kept until they are sent; what comes then is lost."""
SEND_SECONDS = 1.0
TIMEOUT_SECONDS = 5.0
INTERNAL = 1
"""The kind of a span within a service."""
ERROR = 2

Parent = tuple[str, str]
"""The ids of a trace and of a span in it, in hexadecimal."""


class Spans:
    """Notes spans from any thread; `close` sends what is left."""

    def __init__(self, utils: Any, model: str) -> None:
        """Starts to send, where the environment names a collector.

        Args:
            utils: The module `triton_python_backend_utils`.
            model: The name of the model.
        """
        self._utils = utils
        self._model = model
        self._url = os.environ.get(URL)
        self._noted: list[dict[str, Any]] = []
        self._lost = 0
        self._lock = threading.Lock()
        self._current = threading.local()
        self._closed = threading.Event()
        self._sender = threading.Thread(target=self._send, name="spans", daemon=True)
        if self._url:
            self._sender.start()

    @contextmanager
    def within(self, request: Any) -> Iterator[None]:
        """Has the steps of this thread belong to a request."""
        self._current.parent = self._parent(request)
        try:
            yield
        finally:
            self._current.parent = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Notes a step, and whether it fails."""
        parent = getattr(self._current, "parent", None)
        start = time.time_ns()
        try:
            yield
        except Exception as error:
            self._note(name, parent, start, repr(error))
            raise
        self._note(name, parent, start)

    def waited(self, name: str, request: Any, seconds: float) -> None:
        """Notes that a request has waited for so many seconds until now."""
        self._note(name, self._parent(request), time.time_ns() - round(seconds * 1e9))

    def close(self) -> None:
        """Sends what is left."""
        self._closed.set()
        if self._url:
            self._sender.join()

    def _parent(self, request: Any) -> Parent | None:
        """Triton's span of the request, if the request is traced."""
        context = self._url and request.trace().get_context()
        if not context:
            return None
        _, trace, span, _ = json.loads(context)["traceparent"].split("-")
        return trace, span

    def _note(self, name: str, parent: Parent | None, start: int, failure: str = "") -> None:
        if parent is None:
            return
        span = {
            "traceId": parent[0],
            "spanId": secrets.token_hex(8),
            "parentSpanId": parent[1],
            "name": name,
            "kind": INTERNAL,
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(time.time_ns()),
            "status": {"code": ERROR, "message": failure} if failure else {},
        }
        with self._lock:
            if len(self._noted) < MAX_SPANS:
                self._noted.append(span)
            else:
                self._lost += 1

    def _send(self) -> None:
        while not self._closed.wait(SEND_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            spans, self._noted = self._noted, []
            lost, self._lost = self._lost, 0
        reason = f"more than {MAX_SPANS} at once"
        if spans:
            try:
                self._post(spans)
            except (OSError, ValueError, HTTPException) as error:
                lost += len(spans)
                reason = f"{self._url}: {error}"
        if lost:
            self._utils.Logger.log_warn(f"{self._model}: {lost} spans are lost: {reason}")

    def _post(self, spans: list[dict[str, Any]]) -> None:
        assert self._url
        service = {"stringValue": os.environ.get(SERVICE, "atelier")}
        content = {
            "resourceSpans": [
                {
                    "resource": {"attributes": [{"key": "service.name", "value": service}]},
                    "scopeSpans": [{"scope": {"name": self._model}, "spans": spans}],
                }
            ]
        }
        headers = {"Content-Type": "application/json"}
        for pair in filter(None, os.environ.get(HEADERS, "").split(",")):
            name, _, value = pair.partition("=")
            headers[name.strip()] = unquote(value.strip())
        # The address comes from who runs the server, and nobody else.
        message = urllib.request.Request(self._url, json.dumps(content).encode(), headers)  # noqa: S310
        urllib.request.urlopen(message, timeout=TIMEOUT_SECONDS).close()  # noqa: S310
