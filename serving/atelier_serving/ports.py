"""The ports of a server: found free, or checked before Triton spends seconds on loading models."""

import errno
import socket

from atelier_serving.errors import StartError


def resolve(host: str) -> str:
    """Gives the IPv4 address to listen on: Triton takes addresses, not names.

    Args:
        host: A name or an IPv4 address; 0.0.0.0 stands for every interface.

    Returns:
        The address in dotted form.

    Raises:
        StartError: The host has no IPv4 address, or it is none of this machine.
    """
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise StartError(
            f"{host!r} has no IPv4 address ({error.strerror}): give one, such as 127.0.0.1, "
            "or 0.0.0.0 for every interface"
        ) from None
    address = str(found[0][4][0])
    check_free(address, 0)
    return address


def reachable(address: str) -> str:
    """The address by which this machine reaches a server that listens on `address`."""
    return "127.0.0.1" if address == "0.0.0.0" else address  # noqa: S104


def free_port(address: str) -> int:
    """Finds a free port and keeps it from others until a server has bound it.

    A connection of the port to itself is closed from the listening side, which leaves it in the
    state TIME_WAIT: for a minute the system gives the port to nobody who asks for any port, while
    a server that names it may have it.

    Args:
        address: The IPv4 address on which a server will listen.

    Returns:
        The port.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            accepted.close()
        return int(listener.getsockname()[1])


def check_free(address: str, port: int) -> None:
    """Checks that a server could listen on a port.

    Args:
        address: The IPv4 address.
        port: The port.

    Raises:
        StartError: It could not; the message says why.
    """
    with socket.socket() as probe:
        # As Triton does: a port whose last connections are just closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                message = f"port {port} of {address} is in use: choose another, or 0 for any free"
            elif error.errno == errno.EADDRNOTAVAIL:
                message = f"{address} is no address of this machine: listen on 127.0.0.1 or 0.0.0.0"
            else:
                message = f"cannot listen on port {port} of {address}: {error.strerror}"
            raise StartError(message) from None
