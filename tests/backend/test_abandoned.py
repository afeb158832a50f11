"""Requests whose callers have gone, in the backend without a Triton."""

import importlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest


class Response:
    def __init__(self, outputs=(), error=None):
        self.outputs, self.error = outputs, error


class Request:
    """A request for one number; counts how often it was asked whether it is cancelled."""

    def __init__(self, number, cancelled=False):
        self.cancelled = cancelled
        self.asked = 0
        self._input = SimpleNamespace(name=lambda: "x", as_numpy=lambda: np.array([[number]]))

    def inputs(self):
        return [self._input]

    def requested_output_names(self):
        return ["y"]

    def is_cancelled(self):
        self.asked += 1
        return self.cancelled


@pytest.fixture
def backend(monkeypatch):
    """The module, on a clock that stands still."""
    utils = SimpleNamespace(
        InferenceResponse=Response,
        Tensor=lambda name, array: (name, array.tolist()),
        TritonError=lambda message, code: code,
    )
    utils.TritonError.CANCELLED = "CANCELLED"
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", utils)
    monkeypatch.delitem(sys.modules, "atelier_onnxruntime.model", raising=False)
    module = importlib.import_module("atelier_onnxruntime.model")
    yield module
    del sys.modules["atelier_onnxruntime.model"]


@pytest.fixture
def model(backend, monkeypatch):
    """One that doubles numbers, and notes what it ran; it has just finished a run."""
    made = backend.TritonPythonModel()
    made.ran = []

    def run(names, feed):
        made.ran += feed["x"].ravel().tolist()
        return [2 * feed["x"]]

    made._instance = SimpleNamespace(run=run)
    made._batches, made._scalar_inputs, made._scalar_outputs = True, set(), {}
    monkeypatch.setattr(backend.time, "monotonic", lambda: 1000.0)
    made._last_run_at, made._most_bytes = 1000.0, sys.maxsize
    return made


def test_they_are_not_run_and_their_neighbours_are(model):
    requests = [Request(number, cancelled=number % 2 == 0) for number in range(5)]
    answers = model.execute(requests)
    assert [answer.error for answer in answers] == ["CANCELLED", None] * 2 + ["CANCELLED"]
    assert [answer.outputs for answer in answers[1::2]] == [[("y", [[2]])], [("y", [[6]])]]
    assert model.ran == [1, 3]


def test_a_batch_that_nobody_waits_for_is_not_run(model):
    model.execute([Request(1, cancelled=True)])
    assert model.ran == []


def test_a_request_that_found_the_instance_idle_is_not_asked(model, backend):
    model._last_run_at -= 2 * backend.IDLE_SECONDS
    alone = Request(1)
    model.execute([alone])
    after = Request(2)
    model.execute([after])
    assert (alone.asked, after.asked) == (0, 1)
    assert model.ran == [1, 2]
