"""Whatever clients do to a request, the server ends in good time and with exit code 0."""

import contextlib
import socket
import struct

import grpc
import pytest
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from fakes.waiting import HANG_SECONDS, until

MAKER = """
import time
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

REACHED, OPEN = (Path(__file__).with_name(name) for name in ("reached", "open"))


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            size = int(pb_utils.get_input_tensor_by_name(request, "size").as_numpy()[0])
            if not size:
                REACHED.touch()
                while not OPEN.exists():
                    time.sleep(0.005)
            made = pb_utils.Tensor("made", np.array([b"x" * size], np.object_))
            responses.append(pb_utils.InferenceResponse([made]))
        return responses
"""
"""Makes an answer of so many bytes; for none, it waits until the file `open` is there."""

TENSORS = """
input { name: "size" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "made" data_type: TYPE_STRING dims: [ 1 ] }
"""
MODEL = f'name: "maker" backend: "python" instance_group {{ kind: KIND_CPU count: 2 }} {TENSORS}'
ENSEMBLE = f"""
name: "wide" platform: "ensemble" {TENSORS}
ensemble_scheduling {{ step [ {{
  model_name: "maker" model_version: -1
  input_map {{ key: "size" value: "size" }} output_map {{ key: "made" value: "made" }}
}} ] }}
"""
TOO_LARGE = 6 * 2**20
"""Bytes; gRPC's clients take 4 MiB unless they are told otherwise."""


@pytest.fixture
def server(start, tmp_path):
    """A server of `wide`, which has longer to end than the test waits for it."""
    for name, config in (("maker", MODEL), ("wide", ENSEMBLE)):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "config.pbtxt").write_text(config)
    (tmp_path / "maker" / "1" / "model.py").write_text(MAKER)
    return start(tmp_path, exit_timeout=600)


@pytest.fixture
def gate(tmp_path):
    """Where a request for no bytes waits."""
    return tmp_path / "maker" / "1"


def request(size):
    message = messages.ModelInferRequest(model_name="wide")
    tensor = message.inputs.add(name="size", datatype="INT32", shape=[1])
    tensor.contents.int_contents.append(size)
    return message


def end(server):
    server.terminate()
    server.wait(HANG_SECONDS)


@contextlib.contextmanager
def client(server):
    with grpc.insecure_channel(server.grpc_url) as channel:
        yield GRPCInferenceServiceStub(channel)


def refuse(stub):
    with pytest.raises(grpc.RpcError) as error:
        stub.ModelInfer(request(TOO_LARGE))
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_answers_that_the_client_refuses(server):
    # After these, Triton 2.51 keeps the ensemble for ever, in some one of five tries.
    with client(server) as stub:
        for _ in range(8):
            refuse(stub)
        end(server)


def test_a_client_that_cancels(server, gate):
    with client(server) as stub:
        answer = stub.ModelInfer.future(request(0))
        until(lambda: (gate / "reached").exists())
        answer.cancel()
        (gate / "open").touch()
        end(server)


def frame(kind, flags, payload, stream=1):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


HEADERS = b"".join(
    literal(name, value)
    for name, value in (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/inference.GRPCInferenceService/ModelInfer"),
        (b":authority", b"here"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
    )
)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, b"", stream=0)  # with SETTINGS
END_HEADERS, END_STREAM = 4, 1


def connect(server, message, declared=None):
    """Sends a request over a socket of our own: HTTP/2, RFC 9113, and gRPC's five bytes."""
    host, port = server.grpc_url.split(":")
    connection = socket.create_connection((host, int(port)), HANG_SECONDS)
    body = struct.pack(">BI", 0, declared or len(message)) + message
    flags = 0 if declared else END_STREAM
    connection.sendall(PREFACE + frame(1, END_HEADERS, HEADERS) + frame(0, flags, body))
    return connection


def reset(connection):
    """Closes a connection as the end of a killed process does while data is on its way."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_client_that_is_killed_while_it_sends(server):
    connection = connect(server, b"\x00" * 1000, declared=2**20)
    connection.recv(1)  # so the server has begun to read
    reset(connection)
    end(server)


def test_a_client_that_never_sends_the_rest(server):
    with connect(server, b"\x00" * 1000, declared=2**20) as connection:
        connection.recv(1)
        end(server)


def test_a_client_that_is_killed_while_it_waits(server, gate):
    connection = connect(server, request(0).SerializeToString())
    until(lambda: (gate / "reached").exists())
    reset(connection)
    (gate / "open").touch()
    end(server)


def test_a_client_that_closes_its_half_and_waits(server, gate):
    with connect(server, request(0).SerializeToString()) as connection:
        until(lambda: (gate / "reached").exists())
        connection.shutdown(socket.SHUT_WR)
        (gate / "open").touch()
        end(server)


def test_a_client_that_takes_no_answer(server):
    # After this in every try: the answer is larger than what the server may send before it hears
    # that it was read.
    with connect(server, request(TOO_LARGE).SerializeToString()) as connection:
        connection.recv(1)
        end(server)
