"""HTTP, which one request can end, is open to the supervisor alone unless it is asked for."""

import contextlib
import os
import socket
from pathlib import Path

import pytest

from atelier_serving import exposure
from atelier_serving.options import HTTP_SOCKET
from atelier_supervisor.local_http import connection_to

LISTENS = "0A"


def listening_ports(pid):
    """The TCP ports on which a process listens."""
    sockets = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            kind, _, inode = str(link.readlink()).partition(":")
            sockets |= {inode.strip("[]")} if kind == "socket" else set()
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, address, _, state, *rest = line.split()
            if state == LISTENS and rest[5] in sockets:
                ports.add(int(address.rpartition(":")[2], 16))
    return ports


def port(url):
    return int(url.rpartition(":")[2])


def test_a_server_listens_on_grpc_and_metrics_alone(start, infer):
    server = start()
    assert infer(server.grpc_url) == 0
    assert listening_ports(server.pid) == {port(server.grpc_url), port(server.metrics_url)}
    with pytest.raises(RuntimeError, match="HTTP is closed: give http_port"):
        _ = server.http_url


def test_the_private_socket_lies_where_no_other_user_can_enter(start):
    server = start()
    home = Path(f"/proc/{server.pid}/cwd").resolve()
    assert (home / HTTP_SOCKET).is_socket()
    assert home.stat().st_mode & 0o077 == 0


def test_a_server_that_is_asked_to_opens_http(server):
    assert port(server.http_url) in listening_ports(server.pid)


def test_the_way_to_a_socket_may_be_long(tmp_path):
    folder = tmp_path / ("a" * 150)
    folder.mkdir()
    here = os.open(folder, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
        listener.listen(1)
        connection = connection_to(f"unix:{folder}/socket", timeout=5)
        connection.request("GET", "/v2/health/ready")
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.recv(1024).startswith(b"GET /v2/health/ready HTTP/1.1\r\n")
        connection.close()


def test_the_command_tells_what_is_open(serve, waiters):
    command = serve("--model-repository", waiters, http=False)
    assert command.ready().keys() == {"grpc", "metrics"}
    assert "warning" not in command.log


def test_the_command_warns_of_what_it_opens(serve, waiters):
    command = serve("--model-repository", waiters, "--host", "0.0.0.0")
    assert command.ready().keys() == {"grpc", "http", "metrics"}
    assert "warning: --host 0.0.0.0 opens the server to the network: whoever" in command.log
    assert "warning: --http opens HTTP, where one request can end Triton" in command.log


def test_a_port_for_http_opens_it_too(serve, waiters):
    command = serve("--model-repository", waiters, "--http-port", 0, http=False)
    assert command.ready().keys() == {"grpc", "http", "metrics"}
    assert "warning: --http opens HTTP, where one request can end Triton" in command.log


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "no-such-host.invalid"])
def test_nothing_is_said_of_this_machine_alone(host):
    assert list(exposure.warnings(host, http=False)) == []
