"""What a client shows of itself and asks of the server: a token, and TLS.

Both are taken from the environment where the caller says nothing, so that every command and every
process that it starts has them, and no token stands on a command line.
"""

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import grpc

TOKEN: Final = "ATELIER_TOKEN"  # noqa: S105 - the names of variables
TOKEN_FILE: Final = "ATELIER_TOKEN_FILE"  # noqa: S105
TLS: Final = "ATELIER_TLS"
TLS_CA: Final = "ATELIER_TLS_CA"
TLS_CERTIFICATE: Final = "ATELIER_TLS_CERTIFICATE"
TLS_KEY: Final = "ATELIER_TLS_KEY"

_HEADER: Final = "triton-grpc-protocol-atelier-token"
"""Triton expects the first part of the name before whatever header closes a protocol."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_NO: Final = ("", "0", "false", "no")


@dataclass(frozen=True)
class Tls:
    """TLS to the server, by files in PEM that are read for each new connection.

    Attributes:
        root_certificates: The certificates of the authorities that may have signed the server's.
            None means those that gRPC brings along, of the public authorities.
        private_key: The client's own key, for a server that asks who calls (mutual TLS).
        certificate_chain: The certificate for it.

    Raises:
        ValueError: One of the last two is there without the other.
    """

    root_certificates: str | os.PathLike[str] | None = None
    private_key: str | os.PathLike[str] | None = None
    certificate_chain: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if (self.private_key is None) != (self.certificate_chain is None):
            raise ValueError("private_key and certificate_chain belong together: give both")

    def check(self) -> None:
        """Reads the files, since gRPC says little of those that it cannot use.

        Raises:
            OSError: A file cannot be read.
            ValueError: A file is not what it should be, or key and certificate do not match.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if (roots := _content(self.root_certificates)) is not None:
            try:
                context.load_verify_locations(cadata=roots.decode("ascii", "replace"))
            except ssl.SSLError:
                raise ValueError(f"{self.root_certificates}: no certificate in PEM") from None
        if self.private_key is not None and self.certificate_chain is not None:
            for path in (self.private_key, self.certificate_chain):
                _content(path)
            try:
                # Without a password, OpenSSL would ask for one at the terminal.
                context.load_cert_chain(self.certificate_chain, self.private_key, lambda: "")
            except ssl.SSLError as error:
                raise ValueError(
                    f"{self.private_key} and {self.certificate_chain}: not a key without a "
                    f"password and the certificate for it, both in PEM ({error.reason})"
                ) from None

    def credentials(self) -> Any:
        """The credentials of a gRPC channel."""
        return grpc.ssl_channel_credentials(
            _content(self.root_certificates),
            _content(self.private_key),
            _content(self.certificate_chain),
        )


@dataclass(frozen=True)
class Access:
    """How a client comes to a server.

    Attributes:
        tls: How its connection is encrypted; None: not at all.
        token: What it shows with each request; "" for nothing.
    """

    tls: Tls | None = None
    token: str = field(default="", repr=False)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The headers of each request."""
        return ((_HEADER, self.token),) if self.token else ()

    @classmethod
    def of(cls, tls: bool | Tls | None, token: str | None) -> Self:
        """What a caller asks for, and the environment where he says nothing.

        Args:
            tls: True: TLS with its defaults. None: as the environment has it.
            token: The token, or "" for none. None: as the environment has it.

        Raises:
            OSError: A file cannot be read.
            ValueError: A file or the token is not what it should be.
        """
        if tls is None:
            tls = _tls(os.environ)
        if token is None:
            token = _token(os.environ)
        elif token:
            _check_token(token, "token")
        access = cls(Tls() if tls is True else tls or None, token)
        if access.tls:
            access.tls.check()
        return access


def read_token(path: str | os.PathLike[str]) -> str:
    """The token in a file, without the white space around it.

    Raises:
        OSError: The file cannot be read.
        ValueError: It holds no token; the message does not show it.
    """
    token = Path(path).read_text(errors="replace").strip()
    _check_token(token, str(path))
    return token


def _token(environment: Mapping[str, str]) -> str:
    if token := environment.get(TOKEN):
        _check_token(token, TOKEN)
        return token
    path = environment.get(TOKEN_FILE)
    return read_token(path) if path else ""


def _check_token(token: str, where: str) -> None:
    if not _TOKEN.fullmatch(token):
        raise ValueError(
            f"{where}: no token; it is one word of letters, digits and . _ ~ + / -, such as "
            "`openssl rand -hex 32` writes"
        )


def _tls(environment: Mapping[str, str]) -> Tls | None:
    files = [environment.get(name) or None for name in (TLS_CA, TLS_KEY, TLS_CERTIFICATE)]
    asked = environment.get(TLS, "").lower() not in _NO
    return Tls(*files) if asked or any(files) else None


def _content(path: str | os.PathLike[str] | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
