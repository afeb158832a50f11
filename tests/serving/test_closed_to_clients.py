"""What a client may ask of a server, and what could change the server and is refused."""

import json
import urllib.error
import urllib.request

import numpy as np
import pytest
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

GRPC_REFUSED = {
    "system shared memory": lambda client: client.register_system_shared_memory("a", "/a", 8),
    "its status": lambda client: client.get_system_shared_memory_status(),
    "its end": lambda client: client.unregister_system_shared_memory(),
    "CUDA shared memory": lambda client: client.register_cuda_shared_memory("a", b"0" * 64, 0, 8),
    "CUDA status": lambda client: client.get_cuda_shared_memory_status(),
    "CUDA end": lambda client: client.unregister_cuda_shared_memory(),
    "log settings": lambda client: client.update_log_settings({"log_verbose_level": 1}),
    "trace settings": lambda client: client.update_trace_settings(settings={"trace_rate": "1"}),
    "a model's trace": lambda client: client.update_trace_settings("waiter", {"trace_rate": "1"}),
    "load": lambda client: client.load_model("waiter"),
    "load another config": lambda client: client.load_model("waiter", config="{}"),
    "unload": lambda client: client.unload_model("waiter"),
    "what lies in the repository": lambda client: client.get_model_repository_index(),
    "reading log settings": lambda client: client.get_log_settings(),
    "reading trace settings": lambda client: client.get_trace_settings(),
}

GRPC_OPEN = {
    "live": lambda client: client.is_server_live(),
    "ready": lambda client: client.is_server_ready(),
    "model ready": lambda client: client.is_model_ready("waiter"),
    "server metadata": lambda client: client.get_server_metadata().name == "triton",
    "metadata": lambda client: client.get_model_metadata("waiter").name == "waiter",
    "config": lambda client: client.get_model_config("waiter").config.name == "waiter",
    "statistics": lambda client: client.get_inference_statistics("waiter").model_stats,
}

HTTP_REFUSED = {
    "v2/systemsharedmemory/region/a/register": {"key": "/a", "offset": 0, "byte_size": 8},
    "v2/systemsharedmemory/unregister": {},
    "v2/cudasharedmemory/region/a/register": {"raw_handle": {"b64": ""}, "byte_size": 8},
    "v2/cudasharedmemory/unregister": {},
    "v2/logging": {"log_verbose_level": 1},
    "v2/trace/setting": {"trace_rate": "1"},
    "v2/models/waiter/trace/setting": {"trace_rate": "1"},
    "v2/repository/models/waiter/load": {},
    "v2/repository/models/waiter/unload": {},
    "v2/repository/index": {},
    "v2/systemsharedmemory/status": None,
    "v2/systemsharedmemory/region/a/status": None,
    "v2/cudasharedmemory/status": None,
    "v2/logging?": None,
    "v2/trace/setting?": None,
}
"""What is posted; None is a GET."""

HTTP_OPEN = (
    "v2",
    "v2/health/live",
    "v2/health/ready",
    "v2/models/waiter",
    "v2/models/waiter/ready",
    "v2/models/waiter/config",
    "v2/models/waiter/stats",
)


@pytest.fixture
def client(server):
    with grpc.InferenceServerClient(server.grpc_url) as connected:
        yield connected


def post(url, body):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{url}", data=data)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


@pytest.mark.parametrize("call", GRPC_REFUSED.values(), ids=GRPC_REFUSED)
def test_grpc_refuses(client, call):
    with pytest.raises(InferenceServerException, match="restricted"):
        call(client)


@pytest.mark.parametrize("call", GRPC_OPEN.values(), ids=GRPC_OPEN)
def test_grpc_answers(client, call):
    assert call(client)


@pytest.mark.parametrize(("path", "body"), HTTP_REFUSED.items())
def test_http_refuses(server, path, body):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        post(f"{server.http_url}/{path}", body)
    with refusal.value as answer:
        assert answer.code == 403, answer.read()


@pytest.mark.parametrize("path", HTTP_OPEN)
def test_http_answers(server, path):
    with urllib.request.urlopen(f"http://{server.http_url}/{path}") as answer:
        assert answer.status == 200


def test_inference_is_open_over_grpc_and_http(server, infer):
    assert infer(server.grpc_url) == 0
    tensor = {"name": "gate", "shape": [1], "datatype": "INT32", "data": [0]}
    answer = post(f"{server.http_url}/v2/models/waiter/infer", {"inputs": [tensor]})
    assert answer["outputs"][0]["data"] == [0]


def test_a_request_cannot_name_shared_memory(client):
    tensor = grpc.InferInput("gate", [1], "INT32")
    tensor.set_shared_memory("region", np.dtype(np.int32).itemsize)
    with pytest.raises(InferenceServerException, match="shared memory region"):
        client.infer("waiter", [tensor])
