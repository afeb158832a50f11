"""Who reaches a server beside its own machine, and what an operator has to know of it."""

import ipaddress
from collections.abc import Iterator

from atelier_serving.errors import StartError
from atelier_serving.ports import resolve


def warnings(
    host: str, http: bool, *, encrypted: bool = False, asks: bool = False
) -> Iterator[str]:
    """Says what the settings open.

    Args:
        host: The name or IPv4 address that the server listens on.
        http: Whether HTTP is open.
        encrypted: Whether gRPC is.
        asks: Whether it asks callers for a token or a certificate.

    Yields:
        A sentence for each opening; none for gRPC on this machine alone.
    """
    if not _is_local(host) and not (encrypted and asks):
        missing = [
            *(["a token or a certificate (--token-file, --tls-client-ca)"] * (not asks)),
            *(["encryption (--tls-certificate)"] * (not encrypted)),
        ]
        yield (
            f"--host {host} opens the server to the network: whoever reaches this machine can use "
            f"it, without {' or '.join(missing)}; keep it behind a firewall or a proxy"
        )
    if http:
        yield (
            "--http opens HTTP, where one request can end Triton 2.51 (CVE-2025-23310): let "
            "trusted callers alone reach it"
        )


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(resolve(host)).is_loopback
    except StartError:
        return True  # It will not start; the reason is told then.
