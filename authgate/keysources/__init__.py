"""Where keys come from. Loading blocks: it is called at start, and from a thread afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from authgate.tokens import jwk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authgate.core.keys import KeySet


class KeySource(Protocol):
    """The origin of one issuer's keys."""

    def load(self) -> KeySet:
        """Return the keys as they are now; raise `jwk.BadKey` or OSError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """A shared secret of the configuration or the environment: it stays as it is."""

    secret: bytes = field(repr=False)
    allowed: frozenset[str]

    def load(self) -> KeySet:
        """Return the one key that the secret is."""
        return jwk.from_secret(self.secret, self.allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """A file with keys, read anew at every load."""

    path: Path
    parse: Callable[[bytes, frozenset[str]], KeySet]
    allowed: frozenset[str]

    def load(self) -> KeySet:
        """Return the keys in the file; never reads more than 64 KiB and one byte."""
        with self.path.open("rb") as file:
            return self.parse(file.read(jwk.MAX_DOCUMENT_BYTES + 1), self.allowed)


# The setting that names a file of keys, and how the file is read. A new kind: one function and one row.
KEY_FILES: dict[str, Callable[[bytes, frozenset[str]], KeySet]] = {
    "secret_file": jwk.from_secret_file,
    "pem_file": jwk.from_pem,
    "jwks_file": jwk.from_jwks,
}
