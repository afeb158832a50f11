"""What a collector of OpenTelemetry gets from a model."""

import json
import socketserver
import threading
from types import SimpleNamespace

import pytest
import spans
from spans import Spans

from fakes.collector import collecting

TRACE, SPAN = "5b" * 16, "7c" * 8
CONTEXT = json.dumps({"traceparent": f"00-{TRACE}-{SPAN}-01"})


class Log:
    """Triton's module, as far as spans need it."""

    def __init__(self):
        self.Logger = self
        self.warnings = []

    def log_warn(self, message):
        self.warnings.append(message)


def request(context=CONTEXT):
    return SimpleNamespace(trace=lambda: SimpleNamespace(get_context=lambda: context))


@pytest.fixture
def collector(monkeypatch):
    with collecting() as collector:
        monkeypatch.setenv(spans.URL, f"{collector.address}/v1/traces")
        yield collector


def test_the_steps_of_a_traced_request_are_children_of_its_span(collector, monkeypatch):
    monkeypatch.setenv(spans.HEADERS, "authorization=Basic%20YTpi,x-tenant=art")
    log = Log()
    noted = Spans(log, "stylize")
    noted.waited("queue", request(), 0.25)
    with noted.within(request()):
        with noted.step("decode"):
            pass
        with pytest.raises(OSError, match="broken"), noted.step("network"):
            raise OSError("broken")
    with noted.step("of no request"):
        pass
    with noted.within(request(context=None)), noted.step("of one that is not traced"):
        pass
    noted.close()
    assert [span["name"] for span in collector.spans] == ["queue", "decode", "network"]
    assert {(span["traceId"], span["parentSpanId"]) for span in collector.spans} == {(TRACE, SPAN)}
    assert len({span["spanId"] for span in collector.spans}) == 3
    queue, decode, network = collector.spans
    start, end = (int(queue[f"{name}TimeUnixNano"]) for name in ("start", "end"))
    assert end - start >= 0.25e9
    assert decode["status"] == {}
    assert network["status"] == {"code": 2, "message": "OSError('broken')"}
    assert collector.headers[0]["Authorization"] == "Basic YTpi"
    assert collector.headers[0]["X-Tenant"] == "art"
    assert log.warnings == []


def test_lost_spans_are_told(collector, monkeypatch):
    log = Log()
    monkeypatch.setattr(spans, "MAX_SPANS", 2)
    monkeypatch.setattr(spans, "SEND_SECONDS", 1000)
    noted = Spans(log, "stylize")
    for _ in range(3):
        noted.waited("queue", request(), 0)
    noted.close()
    assert len(collector.spans) == 2
    collector.status = 503
    noted = Spans(log, "stylize")
    noted.waited("queue", request(), 0)
    noted.close()
    many, refused = log.warnings
    assert many == "stylize: 1 spans are lost: more than 2 at once"
    assert refused.startswith("stylize: 1 spans are lost: http://127.0.0.1:")
    assert "503" in refused


class NotHttp(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        self.wfile.write(b"220 mail.example.org ESMTP\r\n")


def test_an_address_that_speaks_another_protocol_is_told(monkeypatch):
    log = Log()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), NotHttp) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv(spans.URL, f"http://127.0.0.1:{server.server_address[1]}/v1/traces")
        noted = Spans(log, "stylize")
        noted.waited("queue", request(), 0)
        noted.close()
        server.shutdown()
    (lost,) = log.warnings
    assert "1 spans are lost: http://127.0.0.1:" in lost
    assert "220 mail.example.org" in lost


def test_without_a_collector_nothing_is_asked_of_a_request(monkeypatch):
    monkeypatch.delenv(spans.URL, raising=False)
    noted = Spans(Log(), "stylize")
    with noted.within(None), noted.step("decode"):
        pass
    noted.waited("queue", None, 1)
    noted.close()
