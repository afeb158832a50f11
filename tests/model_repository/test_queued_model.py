"""The queue's side of Triton, with a Triton that is none."""

import json
import threading
from types import SimpleNamespace

import pytest
import queued_model
from queued_model import QueuedModel
from request_queue import RequestQueue

WORKERS = 2


class Response:
    def __init__(self, outputs=(), error=None):
        self.outputs = outputs
        self.error = error

    def has_error(self):
        return self.error is not None


class Error(Exception):
    CANCELLED, INTERNAL, UNAVAILABLE = "CANCELLED", "INTERNAL", "UNAVAILABLE"

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code


class Family:
    GAUGE = "gauge"

    def __init__(self, **_):
        self.values = []

    def Metric(self, labels):  # noqa: N802
        return self

    def set(self, value):
        self.values.append(value)


LOG = []
UTILS = SimpleNamespace(
    InferenceResponse=Response,
    Logger=SimpleNamespace(log_error=LOG.append),
    MetricFamily=Family,
    TRITONSERVER_RESPONSE_COMPLETE_FINAL=1,
    TritonError=Error,
)


class Request:
    """A request, whose `answer` is set when it comes."""

    def __init__(self, microseconds=0, cancelled=False, full=False, **parameters):
        self.cancelled = cancelled
        self.full = full
        self._microseconds = microseconds
        self._parameters = parameters
        self._answered = threading.Event()

    def timeout(self):
        return self._microseconds

    def parameters(self):
        return json.dumps(self._parameters)

    def is_cancelled(self):
        return self.cancelled

    def get_response_sender(self):
        return self

    def send(self, response, flags):
        assert flags == 1
        if self.full and not response.has_error():
            raise RuntimeError("Failed to increase the shared memory pool size")
        self.response = response
        self._answered.set()

    def answer(self):
        self._answered.wait()
        return self.response


@pytest.fixture
def serve():
    """Makes a model, whose workers answer with what `work` returns of a request."""
    models = []

    def make(work, max_seconds=1000.0, size=4, waited=lambda *_: None):
        ended = []
        queue = RequestQueue(WORKERS, size, 100)
        models.append(
            QueuedModel(
                UTILS, "model", queue, lambda request, left: Response([work(request)]), WORKERS,
                max_seconds, ended.append, waited,
            )
        )  # fmt: skip
        return models[-1], ended

    yield make
    for model in models:
        model.close()


def test_requests_are_answered_and_the_abandoned_dropped(serve):
    model, ended = serve(lambda request: "done")
    wanted, gone = Request(), Request(cancelled=True)
    for request in (wanted, gone):
        assert model.take(request, 1) is None
    assert wanted.answer().outputs == ["done"]
    assert gone.answer().error.code == Error.CANCELLED
    assert ended == ["abandoned"]


def test_the_wait_of_each_request_is_told(serve):
    waits = []
    model, _ = serve(lambda request: "done", waited=lambda *wait: waits.append(wait))
    requests = [Request(), Request(bulk=True), Request(cancelled=True)]
    for request in requests:
        model.take(request, 1)
        request.answer()
    assert [request for request, _, _ in waits] == requests
    assert [bulk for _, _, bulk in waits] == [False, True, False]
    assert all(seconds >= 0 for _, seconds, _ in waits)


def test_what_finds_no_place_is_refused_at_once_with_the_words_of_triton(serve):
    release = threading.Event()
    model, ended = serve(lambda request: release.wait(), size=1)
    accepted, refused = [], []
    while not refused:
        request = Request(bulk="True")
        response = model.take(request, 1)
        (accepted if response is None else refused).append(request)
    assert response.error.code == Error.UNAVAILABLE
    assert str(response.error) == "Exceeds maximum queue size: 1 requests of 1 bytes wait"
    assert model.take(Request(), 1) is None  # No bulk work: it has a place of its own.
    assert ended == ["overloaded"]
    release.set()
    assert all(not request.answer().has_error() for request in accepted)


def test_a_response_that_finds_no_shared_memory_is_told_as_an_error(serve):
    model, _ = serve(lambda request: "large")
    request = Request(full=True)
    model.take(request, 1)
    assert str(request.answer().error) == "Failed to increase the shared memory pool size"
    after = Request()
    model.take(after, 1)
    assert after.answer().outputs == ["large"]


def test_a_request_that_hangs_ends_the_process(serve, monkeypatch):
    release, ended = threading.Event(), threading.Event()
    monkeypatch.setattr(queued_model, "LOOK_SECONDS", 0.01)

    def end(code):
        assert code == queued_model.HANGING
        ended.set()
        release.set()

    monkeypatch.setattr(queued_model.os, "_exit", end)
    model, _ = serve(lambda request: release.wait(), max_seconds=0.01)
    request = Request()
    model.take(request, 1)
    ended.wait()
    assert "a request has been in work for 0.01 s" in LOG[0]
    assert request.answer().outputs == [True]
