"""What Triton opens to whom: a token for inference, one for administration, the rest to nobody.

Triton calls it restricted protocols. A caller opens one with a header, over gRPC with a name that
begins with `triton-grpc-protocol-`.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

INFERENCE = ("inference", "metadata", "model-config", "statistics")
"""What callers of the models need; whether server and models are ready, anybody may ask."""
ADMINISTRATION = ("model-repository", "trace", "logging")
"""What can change the server."""
SHARED_MEMORY = ("shared-memory",)
"""What reads and writes the memory of the server's host: open to nobody."""

TOKEN_HEADER = "atelier-token"  # noqa: S105
KEY_HEADER = "atelier-closed"
MIN_LENGTH = 16
_TOKEN = re.compile(rf"[A-Za-z0-9._~+/-]{{{MIN_LENGTH},}}=*")


@dataclass(frozen=True)
class Tokens:
    """The tokens that callers show.

    Attributes:
        inference: With it a caller may use the models; without one, everybody may.
        administration: With it a caller may change the server, over gRPC; without one, nobody may.

    Raises:
        ValueError: One is no token, or both are the same; the message shows neither.
    """

    inference: str = field(default="", repr=False)
    administration: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name in ("inference", "administration"):
            token = getattr(self, name)
            if token and not _TOKEN.fullmatch(token):
                raise ValueError(
                    f"the token for {name} has to be one word of {MIN_LENGTH} or more letters, "
                    "digits and . _ ~ + / -, such as `openssl rand -hex 32` writes"
                )
        if self.inference and self.inference == self.administration:
            raise ValueError("the tokens for inference and administration must differ")

    def __bool__(self) -> bool:
        return bool(self.inference or self.administration)


@dataclass(frozen=True)
class Closed:
    """What is closed in one run of Triton.

    Attributes:
        tokens: The tokens of the callers.
        key: Opens to the launcher and the supervisor what is closed to callers.
    """

    tokens: Tokens = field(default=Tokens())
    key: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """What the launcher and the supervisor send over HTTP."""
        token = self.tokens.inference
        return {KEY_HEADER: self.key, **({TOKEN_HEADER: token} if token else {})}

    def options(self) -> list[str]:
        """Triton's options, which the process list must not show.

        HTTP is what the launcher changes the server through: no token opens that there.
        """
        closed = f"{KEY_HEADER}={self.key}"
        inference = f"{TOKEN_HEADER}={self.tokens.inference}"
        administration = f"{TOKEN_HEADER}={self.tokens.administration}"
        grpc = {
            SHARED_MEMORY: closed,
            ADMINISTRATION: administration if self.tokens.administration else closed,
        }
        http = {SHARED_MEMORY + ADMINISTRATION: closed}
        if self.tokens.inference:
            grpc[INFERENCE] = http[INFERENCE] = inference
        return [
            f"--{option}={','.join(protocols)}:{header}"
            for option, by_protocols in (
                ("grpc-restricted-protocol", grpc),
                ("http-restricted-api", http),
            )
            for protocols, header in by_protocols.items()
        ]


def read_token(path: str) -> str:
    """The token in a file, without the white space around it.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is empty.
    """
    token = Path(path).read_text(errors="replace").strip()
    if not token:
        raise ValueError(f"{path} is empty: it has to hold a token")
    return token
