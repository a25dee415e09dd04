"""Keys that verify signatures and open cookies. Each is bound to exactly one algorithm (RFC 8725 §3.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authgate.core.quoting import cut, quoted
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_LABEL_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key. *algorithm* is fully specified (RFC 9864): Ed25519 or Ed448, never EdDSA.

    *key_id* is None for secrets, PEM files and JWKs without `kid`. *thumbprint* identifies the key in logs and in
    fingerprints: the SHA-256 of its algorithm, id, issuer and public part, or of the labeled secret.
    *secret_fingerprint* lets operators compare a shared secret with the other side's; other keys have None. *purpose*
    says what a derived key is for; "" if the secret has only one key. *issuer* is the member `issuer` of the JWK, which
    says whose tokens the key signs, not verified; None if it has none. Entra's sets have it, and may write the tenant
    in it as `{tenantid}`. What `tokens/` makes once of the key, it keeps in *prepared*.
    """

    key_id: str | None
    algorithm: str
    material: Any = field(repr=False, compare=False)
    thumbprint: bytes = field(repr=False)
    secret_fingerprint: str | None = None
    purpose: str = ""
    issuer: str | None = None
    prepared: dict[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __str__(self) -> str:
        if self.secret_fingerprint:
            purpose = f", {self.purpose} ({self.algorithm})" if self.purpose else ""
            return f"secret with fingerprint {self.secret_fingerprint}{purpose}"
        return f"{self.algorithm} {self.label or self.thumbprint.hex()[:8]}"

    @property
    def label(self) -> str:
        """The key id, safe for logs, labels and terminals: printable ASCII, cut if it is long; "" if there is none."""
        return cut(quoted(self.key_id or "", MAX_LABEL_CHARACTERS)[1:-1], MAX_LABEL_CHARACTERS)

    @property
    def is_symmetric(self) -> bool:
        """Whether the key is a shared secret. Anyone who can verify with it can also sign."""
        return self.algorithm.startswith("HS") or self.algorithm in {"A256GCM", "A256CBC-HS512"}


def key_name(key_id: str) -> str:
    """Return the name of the key with this id in messages and in `KeySet.skipped`. A long id is cut."""
    return f"key {quoted(key_id)}"


def keys_tried(keys: Sequence[Key]) -> str:
    """Return "tried 2 keys: …" with the names of *keys*: the fingerprints of secrets, else algorithm and key id."""
    names = (
        f"secret with fingerprint {key.secret_fingerprint}" if key.secret_fingerprint else str(key) for key in keys
    )
    return f"tried {len(keys)} key{'s' * (len(keys) != 1)}: {', '.join(dict.fromkeys(names))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """All public keys or all secrets of one issuer. *skipped* has an entry for each unfit key: "<name>: <cause>".

    *expected* are those of *skipped* that nobody has to fix: keys for encryption. *warnings* say what an operator
    should know of the keys that are used. What `tokens/` makes once of these keys, it keeps in *prepared*.
    """

    keys: tuple[Key, ...]
    skipped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    expected: frozenset[str] = frozenset()
    prepared: dict[Any, Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    @property
    def unfit(self) -> tuple[str, ...]:
        """The entries of *skipped* that the issuer has to fix."""
        return tuple(entry for entry in self.skipped if entry not in self.expected)

    def newer_keys_may_help(self, reason: Reason) -> bool:
        """Whether a token that was refused for *reason* might pass under newer keys.

        This includes bad signatures and algorithms of no key, because an issuer may replace a key with another that has
        the same id or no id, or add one. A shared secret does not change.
        """
        if reason in {Reason.BAD_SIGNATURE, Reason.WRONG_ALGORITHM}:
            return not all(key.is_symmetric for key in self.keys)
        return reason is Reason.UNKNOWN_KEY

    def skip_reason(self, key_id: str) -> str | None:
        """Return why the key with this id is skipped; None if it is not skipped."""
        prefix = f"{key_name(key_id)}: "
        return next((entry.removeprefix(prefix) for entry in self.skipped if entry.startswith(prefix)), None)

    @property
    def fingerprint(self) -> bytes:
        """The sorted thumbprints of the keys. They change if a key changes, but not if only the order changes."""
        return b"".join(sorted(key.thumbprint for key in self.keys))


NO_KEYS = KeySet(keys=())
