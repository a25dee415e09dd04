"""Where keys come from: one contract for secrets, files and URLs. `WatchedKeys` keeps what they give up to date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from authgate.core.errors import AuthGateError
from authgate.core.keys import NO_KEYS, KeySet

__all__ = ["NO_KEYS", "KeySource", "LoadFailed", "Loaded", "NotOffered"]


class LoadFailed(AuthGateError):
    """A source gives no keys that can be used. The message says what is wrong, where, and how to mend it."""


class NotOffered(LoadFailed):
    """There is no key set at its address (404). Where nobody named the address, that is no fault: nothing is signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a source gave: *keys*, None where they are those of its last successful load.

    *fresh_seconds* is how long the source says that they stay as they are (RFC 9111 §4.2), None where it does not say.
    """

    keys: KeySet | None
    fresh_seconds: float | None = None


class KeySource(Protocol):
    """The origin of one issuer's keys. One load at a time."""

    @property
    def where(self) -> str:
        """The place, for operators: a URL, a path, or the name of a setting."""
        ...

    def read(self) -> KeySet:
        """Return the keys to start with: those on this machine, `NO_KEYS` where they have to be fetched.

        Blocks. Raises `jwk.BadKey`, OSError or ValueError.
        """
        ...

    async def load(self) -> Loaded:
        """Return the keys as they are now, or raise `LoadFailed`. Whoever calls bounds how long it may take."""
        ...
