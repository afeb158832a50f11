"""Where the server is, and the gRPC channel that leads to it."""

import ipaddress
import json
import socket
from collections.abc import Iterable
from typing import TypeAlias

ChannelOptions: TypeAlias = list[tuple[str, int | str]]

_UNLIMITED = -1

# Every replica behind a name gets its share. Retries are the client's own, so gRPC's are off.
_SERVICE_CONFIG = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


def targets_of(url: str | Iterable[str]) -> list[str]:
    """The gRPC targets of one or several addresses.

    Args:
        url: Addresses as `target_of` takes them, also in one text with commas between them.

    Raises:
        ValueError: There is none, one is there twice, or as of `target_of`.
    """
    urls = url.split(",") if isinstance(url, str) else list(url)
    targets = [target_of(each.strip()) for each in urls]
    if not targets or len(set(targets)) < len(targets):
        raise ValueError(f"url {url!r}: give one address or several, each of them once")
    return targets


def target_of(url: str) -> str:
    """The gRPC target of a server's address.

    Args:
        url: `HOST:PORT` (an IPv6 address in brackets), or a gRPC target such as
            `dns:///triton.example:8001` or `unix:///run/triton.sock`.

    Raises:
        ValueError: The address has no port, or names another protocol.
    """
    if url.startswith(("http://", "https://", "grpc://", "grpcs://")):
        raise ValueError(f"url {url!r}: write HOST:PORT of the gRPC port, such as 'localhost:8001'")
    if url.startswith(("dns:", "ipv4:", "ipv6:", "unix:")):
        return url
    host, separator, port = url.rpartition(":")
    unbracketed = ":" in host and not host.startswith("[")
    if not (separator and host and port.isdigit() and 0 < int(port) < 65536) or unbracketed:
        raise ValueError(f"url {url!r}: write HOST:PORT of the gRPC port, such as 'localhost:8001'")
    return url if _is_address(host) else f"dns:///{url}"


def options_for(target: str, name: str = "") -> ChannelOptions:
    """The options of the channel to `target`.

    Args:
        target: The gRPC target.
        name: What the server is called, if `target` is one of the addresses behind that name: its
            certificate has the name.
    """
    options: ChannelOptions = [
        ("grpc.max_send_message_length", _UNLIMITED),
        ("grpc.max_receive_message_length", _UNLIMITED),
        # gRPC servers, Triton among them, hang up on a client that pings more often than every
        # 300 s or without a call. Keepalive also arms TCP's own time-out for a peer that is gone.
        ("grpc.keepalive_time_ms", 330_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 0),
        # gRPC gives a connection 20 s and waits up to 120 s between two; people wait less.
        ("grpc.min_reconnect_backoff_ms", 5_000),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        ("grpc.enable_retries", 0),
        ("grpc.service_config", _SERVICE_CONFIG),
    ]
    if name:
        options.append(("grpc.default_authority", name))
    if _is_loopback(target):
        # An http_proxy in the environment is not meant for the machine itself.
        options.append(("grpc.enable_http_proxy", 0))
    return options


def resolved(target: str) -> list[str]:
    """The targets of all addresses that a target's name has; the target itself if it has one.

    Raises:
        OSError: There is no such name.
    """
    host, _, port = target.removeprefix("dns:///").rpartition(":")
    if not target.startswith("dns:///") or not port.isdigit() or host == "localhost":
        return [target]
    found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    # The system puts the kind of address first that works here; both may lead to one server.
    addresses = sorted({str(address[0]) for kind, *_, address in found if kind == found[0][0]})
    if len(addresses) < 2:
        return [target]
    return [f"[{each}]:{port}" if ":" in each else f"{each}:{port}" for each in addresses]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _is_loopback(target: str) -> bool:
    host = target.removeprefix("dns:///").rpartition(":")[0]
    if _is_address(host):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return host == "localhost"
