import socket

import pytest

from atelier_serving import StartError
from atelier_serving.ports import check_free, free_port, resolve


def test_free_ports_differ_and_can_be_bound():
    ports = [free_port("127.0.0.1") for _ in range(20)]
    assert len(set(ports)) == 20
    for port in ports:
        check_free("127.0.0.1", port)


@pytest.mark.parametrize("reuse", [0, 1])
def test_who_asks_for_any_port_is_not_given_one_that_was_found(reuse):
    found = {free_port("127.0.0.1") for _ in range(20)}
    given = set()
    # Of some 28,000 ports, so many that an unguarded one would hardly escape.
    for _ in range(20_000):
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
            other.bind(("127.0.0.1", 0))
            given.add(other.getsockname()[1])
    assert not given & found


def test_a_port_in_use_is_named():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StartError, match=f"port {port} of .* is in use"):
            check_free("127.0.0.1", port)


def test_names_and_addresses_are_resolved():
    assert resolve("localhost") == "127.0.0.1"
    assert resolve("0.0.0.0") == "0.0.0.0"


def test_an_unknown_host_is_named():
    with pytest.raises(StartError, match=r"'no-such-host.invalid' has no IPv4 address"):
        resolve("no-such-host.invalid")


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(StartError, match=r"192\.0\.2\.1 is no address of this machine"):
        resolve("192.0.2.1")
