import socket

import pytest

from atelier_serving import StartError
from atelier_serving.ports import check_free, free_port, resolve


def test_free_ports_differ_and_can_be_bound():
    ports = [free_port("127.0.0.1") for _ in range(20)]
    assert len(set(ports)) == 20
    for port in ports:
        check_free("127.0.0.1", port)


def test_nobody_is_given_a_port_that_was_found():
    found = free_port("127.0.0.1")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Bound by name it is to be had, as Triton does it, and unlike it by those without a wish.
        other.bind(("127.0.0.1", found))
    with socket.socket() as strict, pytest.raises(OSError, match="in use"):
        strict.bind(("127.0.0.1", found))


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
