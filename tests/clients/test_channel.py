import json

import pytest

from atelier import Client
from atelier._channel import options_for, target_of


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("localhost:8001", "dns:///localhost:8001"),
        ("triton.example:443", "dns:///triton.example:443"),
        ("127.0.0.1:8001", "127.0.0.1:8001"),
        ("[::1]:8001", "[::1]:8001"),
        ("dns:///triton:8001", "dns:///triton:8001"),
        ("ipv4:10.0.0.1:8001,10.0.0.2:8001", "ipv4:10.0.0.1:8001,10.0.0.2:8001"),
        ("unix:///run/triton.sock", "unix:///run/triton.sock"),
    ],
)
def test_addresses(url, target):
    assert target_of(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        ":8001",
        "localhost:",
        "localhost:http",
        "h:0",
        "h:65536",
        "http://h:1",
        "::1:8001",
    ],
)
def test_what_is_no_address(url):
    with pytest.raises(ValueError, match="HOST:PORT"):
        Client(url)


def test_options():
    options = dict(options_for("dns:///triton:8001"))
    assert options["grpc.max_receive_message_length"] == -1
    assert options["grpc.max_send_message_length"] == -1
    assert options["grpc.keepalive_time_ms"] >= 300_000
    assert json.loads(options["grpc.service_config"]) == {
        "loadBalancingConfig": [{"round_robin": {}}]
    }


@pytest.mark.parametrize(
    ("target", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("[::1]:1", True),
        ("dns:///localhost:1", True),
        ("dns:///triton:1", False),
        ("10.0.0.1:1", False),
    ],
)
def test_no_proxy_on_the_way_to_the_machine_itself(target, loopback):
    assert ("grpc.enable_http_proxy" in dict(options_for(target))) == loopback
