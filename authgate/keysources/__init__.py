"""Where keys come from: one contract for secrets, files and URLs. `WatchedKeys` loads from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from authgate.core.errors import AuthGateError
from authgate.core.keys import NO_KEYS, KeySet

__all__ = ["NO_KEYS", "KeySource", "LoadFailed", "Loaded", "NotOffered"]


class LoadFailed(AuthGateError):
    """A source returned no usable keys. The message says what is wrong, where, and how to fix it."""


class NotOffered(LoadFailed):
    """The address of the key set answers 404. If the address was not configured, the issuer simply signs no JWTs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The result of a load: *keys*, None if they are the same as in the last successful load.

    *fresh_seconds* is how long they are fresh according to the source (RFC 9111 §4.2), None if it does not say.
    """

    keys: KeySet | None
    fresh_seconds: float | None = None


class KeySource(Protocol):
    """The source of one key set. Callers make one load at a time."""

    @property
    def where(self) -> str:
        """The place of the keys, for messages: a URL, a path, or the name of a setting."""
        ...

    def read(self) -> KeySet:
        """Return the keys to start with, or `NO_KEYS` if they must be fetched.

        Blocks. Raises `jwk.BadKey`, OSError or ValueError.
        """
        ...

    async def load(self) -> Loaded:
        """Return the keys as they are now, or raise `LoadFailed`. The caller bounds the time."""
        ...
