"""Keys on this machine: a secret in the configuration, or a file that is polled."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from authgate.blocking import BlockingCall
from authgate.files import read_bounded, settled, unreadable_reason
from authgate.keysources import Loaded, LoadFailed
from authgate.tokens import jwk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authgate.core.keys import KeySet

# A bound on one read, in which AuthGate looks twice: less than the 5 s that the shipped nginx waits for AuthGate.
READ_TIMEOUT_SECONDS = 3.0

# Each setting that names a key file, and the parser of the file. A new kind of file is one parser and one row.
KEY_FILES: dict[str, Callable[[bytes, frozenset[str]], KeySet]] = {
    "secret_file": jwk.from_secret_file,
    "pem_file": jwk.from_pem,
    "jwks_file": jwk.from_jwks,
}


class SecretSource:
    """Shared secrets in the configuration or the environment. They never change."""

    def __init__(self, make: Callable[[], KeySet], where: str = "the configuration") -> None:
        """*make* returns the keys; it raises `jwk.BadKey`."""
        self.where = where
        self._make = make

    def read(self) -> KeySet:
        """Return the keys. Raises `jwk.BadKey`."""
        return self._make()

    async def load(self) -> Loaded:
        """Return a result without keys: secrets never change."""
        return Loaded(keys=None)


class FileSource:
    """A key file. Its content is compared, so it does not matter how the file is replaced.

    A new content counts when it is complete (see files.py).
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[bytes, frozenset[str]], KeySet],
        allowed: frozenset[str],
        timeout_seconds: float = READ_TIMEOUT_SECONDS,
    ) -> None:
        """*parse* reads keys from the content, for the *allowed* algorithms. *timeout_seconds* bounds a load."""
        self.where = str(path)
        self._path = path
        self._parse = parse
        self._allowed = allowed
        self._timeout_seconds = timeout_seconds
        self._reading = BlockingCall(self._read_newer)
        self._digest = b""

    def read(self) -> KeySet:
        """Return the keys in the file, at most 256 KiB of it. Blocks. Raises `jwk.BadKey`, OSError or ValueError."""
        self._digest, keys = self._look()
        return keys

    async def load(self) -> Loaded:
        """Return the keys, or None as keys if the content is that of the last successful read."""
        try:
            return await self._reading.result(self._timeout_seconds)
        except TimeoutError:
            raise LoadFailed(f"reading {self._path} takes longer than {self._timeout_seconds:g} s") from None
        except jwk.BadKey as error:
            raise LoadFailed(f"{self._path}: {error}") from None
        except (OSError, ValueError) as error:
            raise LoadFailed(f"cannot read {self._path}: {unreadable_reason(error)}") from None

    def _read_newer(self) -> Loaded:
        if hashlib.sha256(read_bounded(self._path, jwk.MAX_DOCUMENT_BYTES)).digest() == self._digest:
            return Loaded(keys=None)
        self._digest, keys = settled(self._look, "watched")
        return Loaded(keys=keys)

    def _look(self) -> tuple[bytes, KeySet]:
        content = read_bounded(self._path, jwk.MAX_DOCUMENT_BYTES)
        return hashlib.sha256(content).digest(), self._parse(content, self._allowed)
