"""A server that lets in only those who have a certificate and a token."""

import contextlib
import os
import queue
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from atelier import Client, NotAllowed, Tls, Unreachable
from atelier_serving import StartError, TritonServer
from atelier_serving.closed import Tokens
from atelier_serving.tls import ServerTls
from fakes.certificates import Authority
from fakes.waiting import HANG_SECONDS

COMPLETE = "--disable-auto-complete-config"
TOKEN = "inference-token-0123456789+/="
ADMIN_TOKEN = "administration-token-0123456789"
GRPC_HEADER = "triton-grpc-protocol-atelier-token"

WITH_THE_TOKEN = {
    "inference": lambda client, headers: client.infer("waiter", [gate()], headers=headers),
    "metadata": lambda client, headers: client.get_server_metadata(headers=headers),
    "a model's": lambda client, headers: client.get_model_metadata("waiter", headers=headers),
    "config": lambda client, headers: client.get_model_config("waiter", headers=headers),
    "statistics": lambda client, headers: client.get_inference_statistics(headers=headers),
}


def stream(client, headers):
    """One inference over a stream; the first answer, or its error."""
    answers = queue.SimpleQueue()
    client.start_stream(lambda result, error: answers.put((result, error)), headers=headers)
    with contextlib.suppress(InferenceServerException):  # It may be refused already.
        client.async_stream_infer("waiter", [gate()])
    _, error = answers.get(timeout=HANG_SECONDS)
    client.stop_stream(cancel_requests=True)
    if error:
        raise error


WITH_THE_TOKEN["a stream"] = stream
WITH_THE_ADMIN_TOKEN = {
    "index": lambda client, headers: client.get_model_repository_index(headers=headers),
    "load": lambda client, headers: client.load_model("waiter", headers=headers),
    "log": lambda client, headers: client.get_log_settings(headers=headers),
    "trace": lambda client, headers: client.get_trace_settings(headers=headers),
}
WITH_NONE = {
    "shared memory": lambda client, headers: client.register_system_shared_memory(
        "a", "/a", 8, headers=headers
    ),
    "its status": lambda client, headers: client.get_system_shared_memory_status(headers=headers),
    "CUDA": lambda client, headers: client.get_cuda_shared_memory_status(headers=headers),
}


def gate():
    tensor = grpc.InferInput("gate", [1], "INT32")
    tensor.set_data_from_numpy(np.zeros(1, np.int32))
    return tensor


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server_tls(authority):
    identity = authority.issue("server")
    ca = str(authority.certificate)
    return ServerTls(str(identity.certificate), str(identity.key), ca)


@pytest.fixture(scope="module")
def tls(authority):
    identity = authority.issue("client", hosts=["client.example"])
    return Tls(authority.certificate, identity.key, identity.certificate)


@pytest.fixture(scope="module")
def repository(tmp_path_factory, write_model):
    return write_model(tmp_path_factory.mktemp("models"), "waiter")


@pytest.fixture(scope="module")
def log():
    return []


@pytest.fixture(scope="module")
def server(repository, server_tls, log):
    with TritonServer(
        repository,
        tls=server_tls,
        tokens=Tokens(TOKEN, ADMIN_TOKEN),
        http_port=0,
        verbose=True,
        options=[COMPLETE, "--log-verbose=2"],
        log=log.append,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def triton_client(server, tls):
    with grpc.InferenceServerClient(
        server.grpc_url,
        ssl=True,
        root_certificates=str(tls.root_certificates),
        private_key=str(tls.private_key),
        certificate_chain=str(tls.certificate_chain),
    ) as client:
        yield client


def refused(call, client, headers):
    with pytest.raises(InferenceServerException, match="restricted"):
        call(client, headers)


def test_a_client_with_a_certificate_and_a_token_is_let_in(server, tls):
    with Client(server.grpc_url, tls=tls, token=TOKEN, retries=0) as art:
        assert art.health() == ["waiter"]


def test_nobody_without_a_certificate_is(server, authority):
    for stranger in (False, Tls(authority.certificate)):
        with (
            Client(server.grpc_url, tls=stranger, token=TOKEN, retries=0) as art,
            pytest.raises(Unreachable, match=r"it hung up: .* if it speaks TLS"),
        ):
            art.health()


@pytest.mark.parametrize("token", ["", ADMIN_TOKEN, TOKEN[:-1]])
def test_nobody_without_the_token_is(server, tls, token):
    with (
        Client(server.grpc_url, tls=tls, token=token, retries=0) as art,
        pytest.raises(NotAllowed, match="it wants a token, and none or another one was sent"),
    ):
        art.statistics()


@pytest.mark.parametrize("call", WITH_THE_TOKEN.values(), ids=WITH_THE_TOKEN)
def test_the_token_opens(triton_client, call):
    call(triton_client, {GRPC_HEADER: TOKEN})
    refused(call, triton_client, {GRPC_HEADER: ADMIN_TOKEN})
    refused(call, triton_client, None)


@pytest.mark.parametrize("call", WITH_THE_ADMIN_TOKEN.values(), ids=WITH_THE_ADMIN_TOKEN)
def test_the_token_for_administration_opens(triton_client, call):
    call(triton_client, {GRPC_HEADER: ADMIN_TOKEN})
    refused(call, triton_client, {GRPC_HEADER: TOKEN})
    refused(call, triton_client, None)


@pytest.mark.parametrize("call", WITH_NONE.values(), ids=WITH_NONE)
def test_no_token_opens(triton_client, call):
    for token in (TOKEN, ADMIN_TOKEN):
        refused(call, triton_client, {GRPC_HEADER: token})


@pytest.mark.parametrize("path", ["", "/models/waiter", "/models/waiter/config", "/models/stats"])
def test_http_asks_for_the_token_too(server, path):
    def status(headers):
        request = urllib.request.Request(f"http://{server.http_url}/v2{path}", headers=headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    assert status({"atelier-token": TOKEN}) == 200
    assert status({"atelier-token": ADMIN_TOKEN}) == status({}) == 403


def test_health_is_open_for_probes(triton_client):
    assert triton_client.is_server_live()
    assert triton_client.is_server_ready()
    assert triton_client.is_model_ready("waiter")


def test_the_server_takes_what_is_new_all_the_same(server, repository):
    (repository / "waiter" / "config.pbtxt").touch()
    assert str(server.reload()) == "reloaded: waiter version 1"


def test_no_secret_is_in_the_process_list_or_the_log(server, tls, log, processes):
    with Client(server.grpc_url, tls=tls, token=TOKEN, retries=0) as art:
        art.statistics()
    family = processes(os.getpid())
    assert server.pid in family
    lines = []
    for pid in family:
        with contextlib.suppress(OSError):  # One that the tests had started may have ended since.
            lines.append(Path(f"/proc/{pid}/cmdline").read_text())
    assert any("(hidden)" in line for line in lines)
    secrets = [TOKEN, ADMIN_TOKEN, server._launch.closed.key]
    for text in (*lines, *log):
        assert not any(secret in text for secret in secrets)


FORBIDDEN = """
import ctypes, struct
libc = ctypes.CDLL(None)
# seccomp(2): load the number of the system call; 101 is ptrace, which is refused with EPERM.
steps = (0x20, 0, 0, 0), (0x15, 0, 1, 101), (6, 0, 0, 0x50001), (6, 0, 0, 0x7FFF0000)
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_void_p)]
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, ctypes.byref(Filter(len(steps), ctypes.addressof(program)))) == 0
from atelier_serving.commands import serve
serve()
"""


def test_where_tokens_cannot_be_hidden_no_server_starts(repository, tmp_path):
    token = tmp_path / "token"
    token.write_text(TOKEN)
    ports = ["--grpc-port=0", "--metrics-port=0"]
    run = subprocess.run(
        [sys.executable, "-c", FORBIDDEN, *ports, "--model-repository", repository,
         "--token-file", token],
        capture_output=True, text=True, timeout=HANG_SECONDS, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert "its tokens would stand in the process list: allow ptrace" in run.stderr
    assert TOKEN not in run.stderr


def test_files_that_triton_cannot_use_are_named(start, authority, server_tls, tmp_path):
    nothing, text = tmp_path / "nothing.pem", tmp_path / "text.pem"
    text.write_text("no certificate")
    certificate, key = server_tls.certificate, server_tls.key
    other = str(authority.issue("another").key)
    for wrong, message in {
        ServerTls(str(nothing), key): r"cannot read .*nothing\.pem: No such file",
        ServerTls(certificate, other): r"server\.pem and .*another\.key: .*KEY_VALUES_MISMATCH",
        ServerTls(str(text), key): r"text\.pem and .*server\.key: not a certificate and its key",
        ServerTls(certificate, key, str(text)): r"text\.pem: no certificate in PEM",
        ServerTls(certificate, key, str(nothing)): r"cannot read .*nothing\.pem: No such file",
    }.items():
        with pytest.raises(StartError, match=message):
            start(tls=wrong)


@pytest.mark.parametrize("given", ["--tls-certificate", "--tls-key", "--tls-client-ca"])
def test_options_that_belong_together(serve, server_tls, given):
    command = serve(given, server_tls.key)
    assert command.end() == 2
    assert "--tls-certificate and --tls-key" in command.log


def test_a_file_without_a_token_is_named(serve, tmp_path):
    file = tmp_path / "token"
    for content, message in (("\n", "token is empty"), ("two words\n", "one word of 16 or more")):
        file.write_text(content)
        command = serve("--token-file", file)
        assert command.end() == 2
        assert message in re.sub(r"\s+", " ", command.log)
        assert "two words" not in command.log
