"""A server that lets in only those who have a certificate."""

import pytest

from atelier import Client, Tls, Unreachable
from atelier_serving import StartError, TritonServer
from atelier_serving.tls import ServerTls
from fakes.certificates import Authority

COMPLETE = "--disable-auto-complete-config"


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
def server(repository, server_tls):
    with TritonServer(repository, tls=server_tls, options=[COMPLETE]) as running:
        yield running


def test_a_client_with_a_certificate_is_let_in(server, tls):
    with Client(server.grpc_url, tls=tls, retries=0) as art:
        assert art.health() == ["waiter"]


def test_nobody_else_is(server, authority):
    for stranger in (False, Tls(authority.certificate)):
        with (
            Client(server.grpc_url, tls=stranger, retries=0) as art,
            pytest.raises(Unreachable, match="it hung up: if it speaks TLS"),
        ):
            art.health()


def test_the_server_takes_what_is_new_all_the_same(server, repository):
    (repository / "waiter" / "config.pbtxt").touch()
    assert str(server.reload()) == "reloaded: waiter version 1"


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


@pytest.mark.parametrize(
    "given", [["--tls-certificate"], ["--tls-key"], ["--tls-client-ca"]], ids=lambda names: names[0]
)
def test_options_that_belong_together(serve, server_tls, given):
    command = serve(*[argument for name in given for argument in (name, server_tls.key)])
    assert command.end() == 2
    assert "--tls-certificate and --tls-key" in command.log
