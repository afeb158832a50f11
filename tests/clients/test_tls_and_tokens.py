"""Both clients with servers that speak TLS and ask for a certificate or a token."""

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from atelier import Client, NotAllowed, Tls, Unreachable, _resolver
from atelier._access import Access
from atelier._cli.root import run
from fakes.certificates import Authority, Identity

TOKEN = "5f3c0f1e9a"
HEADER = "triton-grpc-protocol-atelier-token"
OTHER_TOKEN = "a-token-of-somebody-else"
RESTRICTED = f"This protocol is restricted, expecting header '{HEADER}'"


def live(_request: bytes, context: grpc.ServicerContext) -> bytes:
    """Answers ServerLive as Triton does whose protocol is restricted."""
    if dict(context.invocation_metadata()).get(HEADER) not in (None, TOKEN):
        context.abort(grpc.StatusCode.UNAVAILABLE, RESTRICTED)
    return b"\x08\x01"


def ready(request: bytes, context: grpc.ServicerContext) -> bytes:
    """Answers ModelReady, to whom has the token."""
    if dict(context.invocation_metadata()).get(HEADER) != TOKEN:
        context.abort(grpc.StatusCode.UNAVAILABLE, RESTRICTED)
    return b"\x08\x01"


class Service(grpc.GenericRpcHandler):
    def service(self, details):
        method = details.method.rpartition("/")[2]
        return grpc.unary_unary_rpc_method_handler(live if method == "ServerLive" else ready)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def client_identity(authority: Authority) -> Identity:
    return authority.issue("client", hosts=["client.example"])


@pytest.fixture(scope="module")
def port_with(authority: Authority) -> Iterator[Callable[..., int]]:
    """Opens a port that speaks TLS with an identity, or in the clear with None."""
    servers = []

    def open_port(identity: Identity | None, *, mutual: bool = False) -> int:
        server = grpc.server(ThreadPoolExecutor(2), handlers=[Service()])
        servers.append(server)
        if identity is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            pair = (identity.key.read_bytes(), identity.certificate.read_bytes())
            roots = authority.certificate.read_bytes() if mutual else None
            credentials = grpc.ssl_server_credentials([pair], roots, mutual)
            port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        return port

    yield open_port
    for server in servers:
        server.stop(0).wait()


@pytest.fixture(scope="module")
def tls_port(port_with: Callable[..., int], authority: Authority) -> int:
    return port_with(authority.issue("server"))


@pytest.fixture(scope="module")
def mutual_port(port_with: Callable[..., int], authority: Authority) -> int:
    return port_with(authority.issue("mutual"), mutual=True)


def access(tls=False, token=""):
    return {"client": {"tls": tls, "token": token, "retries": 0}}


def test_a_call_in_tls_with_a_token(ask, tls_port, authority):
    granted = access(Tls(authority.certificate), TOKEN)
    ask(f"localhost:{tls_port}", "wait_ready", **granted)
    ask(f"127.0.0.1:{tls_port}", "wait_ready", **granted)


def test_a_server_that_asks_for_a_certificate(ask, mutual_port, authority, client_identity):
    own = Tls(authority.certificate, client_identity.key, client_identity.certificate)
    ask(f"127.0.0.1:{mutual_port}", "wait_ready", **access(own, TOKEN))
    with pytest.raises(Unreachable, match="asks for a certificate, the client's own too"):
        ask(f"127.0.0.1:{mutual_port}", "health", **access(Tls(authority.certificate), TOKEN))


def test_a_name_with_several_addresses_is_what_the_certificate_has(
    ask, port_with, authority, monkeypatch
):
    port = port_with(authority.issue("named", hosts=["atelier.example"]))
    addresses = [f"127.0.0.1:{port}", "127.0.0.2:1"]
    monkeypatch.setattr(_resolver, "resolved", lambda _target: addresses)
    granted = access(Tls(authority.certificate), TOKEN)
    granted["client"]["retries"] = None
    ask(f"atelier.example:{port}", "wait_ready", **granted)


def test_several_servers_with_a_token(ask, tls_port, authority):
    urls = [f"localhost:{tls_port}", f"127.0.0.1:{tls_port}"]
    ask(urls, "wait_ready", **access(Tls(authority.certificate), TOKEN))


def test_a_plain_client_of_a_server_with_tls(ask, tls_port):
    with pytest.raises(Unreachable, match=r"it hung up: .* if it speaks TLS, give tls="):
        ask(f"127.0.0.1:{tls_port}", "health", **access())


@pytest.mark.parametrize(
    ("identity", "advice"),
    [
        (None, r"it does not speak TLS: leave out tls="),
        ({"begin": -3, "end": -1}, r"its certificate has expired: the server needs a new one"),
        ({"begin": 1, "end": 3}, r"its certificate is not valid yet: compare the clocks"),
        ({"hosts": ["other.example"]}, r"its certificate has no such name: use the name in"),
    ],
    ids=["plain", "expired", "too early", "other name"],
)
def test_no_connection_that_could_be_encrypted(ask, port_with, authority, identity, advice):
    port = port_with(None if identity is None else authority.issue("wrong", **identity))
    granted = access(Tls(authority.certificate))
    # It ends at once: no attempt of all those that the timeout allows would help.
    granted["client"]["retries"] = None
    with pytest.raises(Unreachable, match=advice):
        ask(f"127.0.0.1:{port}", "statistics", timeout=None, **granted)


def test_a_server_of_another_authority(ask, tls_port, tmp_path):
    other = Authority(tmp_path, "other")
    for tls in (Tls(other.certificate), True):
        with pytest.raises(Unreachable, match=r"no authority that this client trusts .* --tls-ca"):
            ask(f"127.0.0.1:{tls_port}", "health", **access(tls))


@pytest.mark.parametrize("token", ["", OTHER_TOKEN])
def test_a_token_that_is_missing_or_another_one(ask, tls_port, authority, token):
    granted = access(Tls(authority.certificate), token)
    with pytest.raises(NotAllowed, match="wants a token, and none or another one was sent") as no:
        ask(f"127.0.0.1:{tls_port}", "statistics", **granted)
    assert OTHER_TOKEN not in f"{no.value!r} {no.value} {no.value.details}"


def test_what_cannot_be_used_is_named(tmp_path, authority, client_identity):
    nothing, text = tmp_path / "nothing.pem", tmp_path / "text.pem"
    text.write_text("no certificate")
    server = authority.issue("another")
    with pytest.raises(FileNotFoundError, match=r"nothing\.pem"):
        Client(tls=Tls(nothing))
    with pytest.raises(ValueError, match=r"text\.pem: no certificate in PEM"):
        Client(tls=Tls(text))
    with pytest.raises(ValueError, match=r"another\.key and .*client\.pem: not a key .*MISMATCH"):
        Client(tls=Tls(authority.certificate, server.key, client_identity.certificate))
    with pytest.raises(ValueError, match="belong together"):
        Tls(private_key=server.key)
    with pytest.raises(ValueError, match="token: no token; it is one word") as refused:
        Client(token=f"{TOKEN}\n{TOKEN}")
    assert TOKEN not in str(refused.value)


def test_a_token_is_shown_nowhere():
    with Client("localhost:1", tls=False, token=TOKEN) as art:
        assert TOKEN not in f"{art!r} {Access(token=TOKEN)!r} {art._transport!r}"
        copy = pickle.loads(pickle.dumps(art._transport))
        assert copy._access == Access(token=TOKEN)


def test_the_environment_says_it_for_a_client_and_a_command(
    tls_port, authority, monkeypatch, tmp_path, capsys
):
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    monkeypatch.setenv("ATELIER_TLS_CA", str(authority.certificate))
    monkeypatch.setenv("ATELIER_TOKEN_FILE", str(token))
    with Client(f"localhost:{tls_port}", retries=0) as art:
        art.wait_ready()
    monkeypatch.setenv("ATELIER_TOKEN", OTHER_TOKEN)
    assert run(["health", "--url", f"localhost:{tls_port}"]) == 1
    assert "wants a token" in capsys.readouterr().err


def test_the_options_of_a_command(tls_port, authority, tmp_path, capsys):
    token = tmp_path / "token"
    token.write_text(f"{OTHER_TOKEN}\n")
    url, ca = f"127.0.0.1:{tls_port}", str(authority.certificate)
    assert run(["health", "--url", url, "--tls-ca", ca, "--token-file", str(token)]) == 1
    assert "wants a token" in capsys.readouterr().err
    assert run(["health", "--url", url, "--tls"]) == 1
    assert "no authority that this client trusts" in capsys.readouterr().err
    token.write_text("two words")
    assert run(["health", "--url", url, "--tls-ca", ca, "--token-file", str(token)]) == 2
    assert "token: no token; it is one word" in capsys.readouterr().err
    assert run(["health", "--url", url]) == 1
    assert "it hung up" in capsys.readouterr().err
