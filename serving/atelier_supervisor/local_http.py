"""HTTP connections to a server of this machine: on a port, or on a Unix socket."""

import http.client
import os
import socket
from pathlib import Path


class _UnixConnection(http.client.HTTPConnection):
    """A connection to a Unix socket, whose path may be of any length."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connects by way of an open folder, for a socket's address has room for 107 bytes."""
        folder = os.open(self._path.parent, os.O_PATH)
        self.sock = socket.socket(socket.AF_UNIX)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


def connection_to(address: str, timeout: float) -> http.client.HTTPConnection:
    """Prepares a connection, which is made by its first request.

    Args:
        address: `host:port`, or `unix:` and the path of a socket.
        timeout: Seconds to wait for the server, each time.
    """
    if address.startswith("unix:"):
        return _UnixConnection(Path(address.removeprefix("unix:")), timeout)
    return http.client.HTTPConnection(address, timeout=timeout)
