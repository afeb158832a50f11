"""How many threads a run of an instance has, told from the session that it takes, and memory."""

import os
import resource
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto as Onnx

from atelier_onnxruntime import instance, session
from atelier_onnxruntime.cores import Cores
from atelier_onnxruntime.instance import Instance, share_of_cores
from atelier_onnxruntime.parameters import ConfigError

X = np.array([[-1, 2]], np.float32)


def instances(*counts, kind="KIND_CPU", **parameters):
    return {
        "instance_group": [{"kind": kind, "count": count} for count in counts],
        "parameters": {key: {"string_value": value} for key, value in parameters.items()},
    }


@pytest.fixture(autouse=True)
def no_quota(monkeypatch):
    """Wherever the tests run, their cores have no limit."""
    for module in (instance, session):
        monkeypatch.setattr(module, "core_quota", lambda: None)


@pytest.fixture
def version(save_onnx, tmp_path):
    save_onnx(
        tmp_path / "model.onnx",
        [("Relu", ["x"], ["y"])],
        {"x": (Onnx.FLOAT, ["batch", 2])},
        {"y": (Onnx.FLOAT, ["batch", 2])},
    )
    return tmp_path


@pytest.fixture
def opened(monkeypatch):
    """The thread counts that sessions are opened with, and those of the sessions that ran."""
    opened, ran = [], []

    class Session:
        def __init__(self, path, options, providers):
            self._session = real(path, options, providers=providers)
            self._threads = options.intra_op_num_threads
            opened.append(self._threads)

        def __getattr__(self, name):
            return getattr(self._session, name)

        def run(self, *arguments):
            ran.append(self._threads)
            return self._session.run(*arguments)

    real = session.onnxruntime.InferenceSession
    monkeypatch.setattr(session.onnxruntime, "InferenceSession", Session)
    return opened, ran


@pytest.mark.parametrize(
    ("cores", "config", "share"),
    [
        (2, instances(2), 1),
        (16, instances(2), 8),
        (16, instances(2, 1), 5),
        (2, instances(4), 1),
        (16, instances(1), None),
        (16, {}, None),
        (16, instances(2, intra_op_thread_count="3"), None),
        (16, instances(2, intra_op_thread_count="0"), 8),
    ],
)
def test_the_share_of_an_instance(monkeypatch, cores, config, share):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert share_of_cores(config) == share


@pytest.mark.parametrize(("cores", "share"), [(16, 3), (2, 1)])
def test_the_share_is_one_of_the_cores_that_a_limit_leaves(monkeypatch, cores, share):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(instance, "core_quota", lambda: 6)
    assert share_of_cores(instances(2)) == share


def test_instances_on_gpus_take_no_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    config = instances(1)
    config["instance_group"].append({"kind": "KIND_GPU", "count": 4})
    assert share_of_cores(config) is None


def test_a_thread_count_that_is_no_number_is_refused():
    with pytest.raises(ConfigError, match="'intra_op_thread_count' is 'all'"):
        share_of_cores(instances(2, intra_op_thread_count="all"))


def test_a_run_beside_another_has_its_share(version, opened, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    running, (threads, ran) = (
        Instance(instances(2), version, "CPU", 0, Cores(version / "model.onnx")),
        opened,
    )
    assert threads == [0, 1]
    for _ in range(2):
        with Cores(version / "model.onnx").taken():
            (y,) = running.run(["y"], {"x": X})
        np.testing.assert_array_equal(y, [[0, 2]])
        running.run(["y"], {"x": X})
    assert ran == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("config", "threads"),
    [(instances(1), 0), (instances(2, intra_op_thread_count="2"), 2)],
)
def test_there_is_one_session_where_there_is_no_choice(version, opened, config, threads):
    running = Instance(config, version, "CPU", 0, Cores(version / "model.onnx"))
    with Cores(version / "model.onnx").taken():
        running.run(["y"], {"x": X})
    running.run(["y"], {"x": X})
    assert opened == ([threads], [threads, threads])


def test_sessions_without_an_arena(version):
    running = Instance(
        instances(2, enable_mem_arena="false"), version, "CPU", 0, Cores(version / "model.onnx")
    )
    np.testing.assert_array_equal(running.run(["y"], {"x": X})[0], [[0, 2]])


@pytest.mark.parametrize("counts", [(1,), (2,)])
def test_memory_for_large_inputs_is_given_back_with_a_smaller_one(version, counts):
    running = Instance(instances(*counts), version, "CPU", 0, Cores(version / "model.onnx"))
    large = np.ones((2**23, 2), np.float32)

    def held_after(x: np.ndarray) -> int:
        running.run(["y"], {"x": x})
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    held_after(X)
    kept = held_after(large)
    assert kept - held_after(X) > large.nbytes // 2
