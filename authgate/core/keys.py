"""Keys that verify signatures. Each is bound to exactly one algorithm (RFC 8725 §3.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from authgate.core.reasons import Reason

MAX_LABEL_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key. *algorithm* is fully specified (RFC 9864): Ed25519 or Ed448, never EdDSA.

    *key_id* is None for secrets, PEM files and JWKs without `kid`. *thumbprint* identifies the key in logs and in
    fingerprints: SHA-256 over its algorithm, id and public part (or, for a secret, over the labelled secret).
    *secret_fingerprint*, of what comes from a shared secret only, is for operators to compare with the other side's.
    *purpose* says what a key made from a secret is for, "" where one key is all there is.
    """

    key_id: str | None
    algorithm: str
    material: Any = field(repr=False, compare=False)
    thumbprint: bytes = field(repr=False)
    secret_fingerprint: str | None = None
    purpose: str = ""

    def __str__(self) -> str:
        if self.secret_fingerprint:
            purpose = f", {self.purpose} ({self.algorithm})" if self.purpose else ""
            return f"secret with fingerprint {self.secret_fingerprint}{purpose}"
        return f"{self.algorithm} {self.label or self.thumbprint.hex()[:8]}"

    @property
    def label(self) -> str:
        """The key's id fit for logs, labels and terminals: printable ASCII, cut if it is long; "" without one."""
        label = ascii(self.key_id or "")[1:-1]
        return label if len(label) <= MAX_LABEL_CHARACTERS else f"{label[: MAX_LABEL_CHARACTERS - 3]}..."

    @property
    def is_symmetric(self) -> bool:
        """Whether the key is a shared secret, so that whoever verifies could also sign."""
        return self.algorithm.startswith("HS") or self.algorithm in {"A256GCM", "A256CBC-HS512"}


def key_name(key_id: str) -> str:
    """Return how a key of this id is named in `KeySet.skipped`: of a long id the beginning."""
    return f"key {key_id!r:.80}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """All keys of one issuer. *skipped* says which others of its document are not used, one entry each, and why."""

    keys: tuple[Key, ...]
    skipped: tuple[str, ...] = ()

    def newer_keys_may_help(self, reason: Reason) -> bool:
        """Say whether a token refused for *reason* might pass under newer keys.

        Also where a signature does not hold: an issuer may put another key in the place of one, under the same id or
        without any. Of a shared secret there is one.
        """
        if reason is Reason.BAD_SIGNATURE:
            return not all(key.is_symmetric for key in self.keys)
        return reason is Reason.UNKNOWN_KEY

    def skip_reason(self, key_id: str) -> str | None:
        """Return why the key of this id is not used, None if there is no such key."""
        name = f"{key_name(key_id)}: "
        return next((one.removeprefix(name) for one in self.skipped if one.startswith(name)), None)

    @property
    def fingerprint(self) -> bytes:
        """The keys' thumbprints, sorted: it changes whenever any key does, and not with their order."""
        return b"".join(sorted(key.thumbprint for key in self.keys))


NO_KEYS = KeySet(keys=())
