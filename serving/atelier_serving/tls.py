"""TLS for the gRPC port: the files that Triton takes, checked before it does.

Of a file that it cannot use Triton 2.51 says that the port is in use.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from atelier_serving.errors import StartError


@dataclass(frozen=True)
class ServerTls:
    """The files of a server that speaks TLS over gRPC, in PEM.

    Attributes:
        certificate: The server's certificate, with those between it and its authority's.
        key: The key of it, without a password.
        client_ca: The certificates of the authorities that sign those of clients; with None, a
            client shows none.
    """

    certificate: str
    key: str
    client_ca: str | None = None

    def check(self) -> None:
        """Reads the files.

        Raises:
            StartError: One cannot be read, is not what it should be, or key and certificate do not
                belong together; the message names it.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            for path in (self.certificate, self.key):
                Path(path).read_bytes()
            # Without a password, OpenSSL would ask for one at the terminal.
            context.load_cert_chain(self.certificate, self.key, lambda: "")
        except ssl.SSLError as error:
            raise StartError(
                f"{self.certificate} and {self.key}: not a certificate and its key without a "
                f"password, both in PEM ({error.reason})"
            ) from None
        except OSError as error:
            raise StartError(f"cannot read {error.filename}: {error.strerror}") from None
        if self.client_ca is not None:
            try:
                authorities = Path(self.client_ca).read_text("ascii", "replace")
                context.load_verify_locations(cadata=authorities)
            except ssl.SSLError:
                raise StartError(f"{self.client_ca}: no certificate in PEM") from None
            except OSError as error:
                raise StartError(f"cannot read {error.filename}: {error.strerror}") from None

    def options(self) -> dict[str, str]:
        """Triton's options; its working directory is its own, so that the paths are absolute."""
        paths = {"grpc-server-cert": self.certificate, "grpc-server-key": self.key}
        mode = "grpc-use-ssl" if self.client_ca is None else "grpc-use-ssl-mutual"
        if self.client_ca is not None:
            paths["grpc-root-cert"] = self.client_ca
        return {mode: "true", **{name: str(Path(path).absolute()) for name, path in paths.items()}}
