"""Signatures of manifests: Ed25519 (RFC 8032), with keys in PEM as OpenSSL writes them.

A manifest names the sha256 of every file, so that its signature covers them all. It lies beside the
manifest, as base64 in `manifest.sig`.
"""

import base64
import binascii
from pathlib import Path
from typing import Any, Self

from atelier_serving.manifests import MANIFEST, SIGNATURE


class PublicKey:
    """Tells what was signed with the private key of it."""

    def __init__(self, key: Any) -> None:
        """Takes a key of `cryptography`."""
        self._key = key

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a key from a file in PEM.

        Raises:
            ModuleNotFoundError: The extra `sign` is not installed.
            OSError: The file cannot be read.
            ValueError: It holds no public key of Ed25519.
        """
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        key = _loaded(path, serialization.load_pem_public_key)
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError(f"{path}: no public key of Ed25519 in PEM")  # noqa: TRY004
        return cls(key)

    def has_signed(self, version: Path) -> bool:
        """Whether the manifest of a version is signed with this key."""
        from cryptography.exceptions import InvalidSignature

        try:
            signature = base64.b64decode((version / SIGNATURE).read_bytes(), validate=False)
            self._key.verify(signature, (version / MANIFEST).read_bytes())
        except (OSError, binascii.Error, InvalidSignature):
            return False
        return True


class PrivateKey:
    """Signs manifests."""

    def __init__(self, key: Any) -> None:
        """Takes a key of `cryptography`."""
        self._key = key

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a key from a file in PEM, without a password.

        Raises:
            ModuleNotFoundError: The extra `sign` is not installed.
            OSError: The file cannot be read.
            ValueError: It holds no private key of Ed25519, or needs a password.
        """
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        def load(content: bytes) -> Any:
            return serialization.load_pem_private_key(content, password=None)

        key = _loaded(path, load)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{path}: no private key of Ed25519 in PEM")  # noqa: TRY004
        return cls(key)

    def sign(self, version: Path) -> None:
        """Writes the signature of a version's manifest beside it."""
        signature = self._key.sign((version / MANIFEST).read_bytes())
        (version / SIGNATURE).write_bytes(base64.b64encode(signature) + b"\n")


def _loaded(path: Path, load: Any) -> Any:
    content = path.read_bytes()
    try:
        return load(content)
    except (ValueError, TypeError):  # TypeError: it needs a password
        return None
