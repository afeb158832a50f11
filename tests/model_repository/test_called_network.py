"""Which version of a network is called, with a Triton that is none."""

import json
from types import SimpleNamespace

import called_network
import numpy as np
import pytest
from called_network import NEWEST, CalledNetwork, NetworkError
from common_options import OptionsError

REQUEST = SimpleNamespace(request_id=lambda: "id", timeout=lambda: 0, trace=lambda: None)


class Error:
    UNAVAILABLE = "UNAVAILABLE"

    def __init__(self, message):
        self.message = lambda: message
        self.code = lambda: "INTERNAL"


class Triton:
    """Its module of Python models, around a network that gives the version that was called."""

    TRITONSERVER_MEMORY_CPU = 0
    TritonError = Error

    def __init__(self, *ready):
        self.ready = set(ready)
        self.looks = 0
        self.fault = None

    def is_model_ready(self, name, version):
        assert name == "network"
        self.looks += 1
        return int(version) in self.ready

    def Tensor(self, name, array):  # noqa: N802
        return SimpleNamespace(name=name, as_numpy=lambda: array)

    def PreferredMemory(self, kind):  # noqa: N802
        return kind

    def InferenceRequest(self, *, model_name, model_version, **_):  # noqa: N802
        assert model_name == "network"
        gone = model_version != NEWEST and model_version not in self.ready
        error = f"version {model_version} is not ready" if gone else self.fault
        response = SimpleNamespace(
            has_error=lambda: error is not None,
            error=lambda: Error(error),
            called=np.array([[model_version]]),
        )
        return SimpleNamespace(exec=lambda: response)

    def get_output_tensor_by_name(self, response, _):
        return self.Tensor("y", response.called)


@pytest.fixture
def repository(tmp_path):
    for version in (1, 2, 10):
        (tmp_path / "network" / str(version)).mkdir(parents=True)
    (tmp_path / "network" / "config.pbtxt").touch()
    return tmp_path


def network(triton, repository, **parameters):
    texts = {"calls": "network", **parameters}
    config = {"parameters": {name: {"string_value": text} for name, text in texts.items()}}
    args = {"model_config": json.dumps(config), "model_repository": str(repository / "model")}
    return CalledNetwork(triton, args)


def called(network, version=None):
    found, told = network.run(REQUEST, version, {}, ["y"])
    assert found["y"].item() == told
    return told


def test_the_newest_version_that_is_ready(repository):
    assert called(network(Triton(1, 2), repository)) == 2
    assert called(network(Triton(1, 2, 10), repository)) == 10
    assert called(network(Triton(1, 2, 10), repository, network_version="1")) == 1
    assert called(network(Triton(1, 2, 10), repository), 2) == 2


def test_a_look_serves_many_calls_until_a_version_goes(repository, monkeypatch):
    now = 100.0
    monkeypatch.setattr(called_network, "time", SimpleNamespace(monotonic=lambda: now))
    triton = Triton(1, 10)
    one = network(triton, repository)
    assert [called(one) for _ in range(3)] == [10, 10, 10]
    assert triton.looks == 1
    triton.ready = {1}
    assert called(one) == 1
    triton.ready = {1, 2}
    assert called(one) == 1
    now += called_network.LOOK_SECONDS
    assert called(one) == 2


def test_where_the_repository_is_out_of_sight_triton_chooses(tmp_path):
    one = network(Triton(1), tmp_path / "elsewhere")
    assert called(one) == NEWEST
    tensor = one.version_tensor(NEWEST, 1, 1).as_numpy()
    assert (tensor.dtype, tensor.tolist()) == (np.int64, [[0]])
    assert one.version_tensor(7, 1).as_numpy().tolist() == [7]


def test_a_version_that_is_asked_for_is_not_replaced(repository):
    with pytest.raises(OptionsError, match=r"^network_version 2 is not served: leave it out"):
        called(network(Triton(1), repository), 2)
    with pytest.raises(NetworkError, match="version 2 is not ready"):
        called(network(Triton(1), repository, network_version="2"))


def test_a_fault_is_told_with_its_code(repository):
    triton = Triton(1)
    triton.fault = "it broke"
    with pytest.raises(NetworkError, match=r"^it broke$") as caught:
        called(network(triton, repository))
    assert caught.value.code == "INTERNAL"
    triton.fault = "in model: Exceeds maximum queue size"
    with pytest.raises(NetworkError, match=r"^Exceeds maximum queue size$") as caught:
        called(network(triton, repository))
    assert caught.value.code == "UNAVAILABLE"
