"""nginx before a server, as `deploy/nginx/atelier.conf` has it."""

import shutil
import socket
import ssl
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from atelier import Client, InvalidRequest, Tls
from atelier_serving.ports import free_port
from fakes.certificates import Authority
from fakes.waiting import until

RECIPE = (Path(__file__).parents[2] / "deploy" / "nginx" / "atelier.conf").read_text()
MAIN = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/atelier.conf;
}}
"""


def accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def proxy(server, authority, tmp_path):
    """Starts nginx before `server`, with parts of its configuration replaced; returns its port."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if not program:
        pytest.skip("nginx is not installed: apt-get install nginx")
    identity = authority.issue("server")
    started = []

    def start(*smaller: tuple[str, str]) -> int:
        port = free_port("127.0.0.1")
        recipe = RECIPE
        for old, new in (
            ("listen 443", f"listen 127.0.0.1:{port}"),
            ("server 127.0.0.1:8001", f"server {server.grpc_url}"),
            ("http://127.0.0.1:8000", f"http://{server.http_url}"),
            ("/etc/atelier/server.pem", str(identity.certificate)),
            ("/etc/atelier/server.key", str(identity.key)),
            *smaller,
        ):
            assert old in recipe
            recipe = recipe.replace(old, new)
        (tmp_path / "atelier.conf").write_text(recipe)
        (tmp_path / "nginx.conf").write_text(MAIN.format(folder=tmp_path))
        command = [program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", "stderr"]
        started.append(subprocess.Popen(command))
        until(lambda: accepts(port) or started[0].poll() is not None)
        assert started[0].poll() is None
        return port

    yield start
    for process in started:
        process.kill()
        process.wait()


def waiter(port: int, authority: Authority, gate: int) -> int:
    tensor = grpc.InferInput("gate", [1], "INT32")
    tensor.set_data_from_numpy(np.array([gate], np.int32))
    root = str(authority.certificate)
    url = f"localhost:{port}"
    with grpc.InferenceServerClient(url, ssl=True, root_certificates=root) as client:
        return int(client.infer("waiter", [tensor]).as_numpy("gate")[0])


@pytest.mark.parametrize(("bound", "gate"), [("each_caller 512", 1001), ("all_callers 2048", 1002)])
def test_no_more_requests_are_in_flight_than_may_be(proxy, authority, waiters, bound, gate):
    port = proxy((bound, f"{bound.split()[0]} 2"))
    folder = waiters / "waiter" / "1"
    before = set(folder.glob("started/*"))
    with ThreadPoolExecutor() as pool:
        held = [pool.submit(waiter, port, authority, gate) for _ in range(2)]
        try:
            until(lambda: len(set(folder.glob("started/*")) - before) == 2)
            with pytest.raises(
                InferenceServerException, match="Exceeds maximum queue size"
            ) as error:
                waiter(port, authority, 0)
            assert error.value.status() == "StatusCode.UNAVAILABLE"
            with Client(f"localhost:{port}", tls=Tls(authority.certificate), retries=0) as art:
                assert art.health() == ["waiter"]
        finally:
            (folder / f"open_{gate}").touch()
        assert [each.result() for each in held] == [gate] * 2
    assert waiter(port, authority, 0) == 0


def test_a_larger_message_is_refused_before_the_server_reads_it(proxy, authority):
    port = proxy(("65m", "1k"))
    with (
        Client(f"localhost:{port}", tls=Tls(authority.certificate), retries=0) as art,
        pytest.raises(InvalidRequest, match="413"),
    ):
        art.stylize(Image.effect_noise((64, 64), 50), "udnie")


def test_http_goes_the_same_way(proxy, authority):
    context = ssl.create_default_context(cafile=str(authority.certificate))
    url = f"https://localhost:{proxy()}/v2/health/ready"
    with urllib.request.urlopen(url, context=context) as answer:
        assert answer.status == 200
