"""All that the core may know when it decides: immutable, swapped whole when the configuration or a key changes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from authgate.core.keys import NO_KEYS
from authgate.core.proof import SessionCheck

if TYPE_CHECKING:
    from authgate.core.credential import Credential, CredentialPlace
    from authgate.core.csrf import CsrfRule
    from authgate.core.keys import KeySet
    from authgate.core.outputs import Output
    from authgate.core.proof import Proof


class TokenFormat(Protocol):
    """One kind of token. Pure: it reads no clock and does no I/O, so what it proves can be remembered."""

    @property
    def name(self) -> str:
        """The format's name, as in `Identity.format`."""
        ...

    @property
    def shape(self) -> str:
        """What its `parse` makes: formats of one shape verify each other's."""
        ...

    def recognizes(self, credential: Credential) -> bool:
        """Say, by shape alone, whether *credential* is of this format."""
        ...

    def parse(self, credential: Credential) -> Unverified:
        """Return what *credential* holds, well-formed and unverified, or raise `Refused`."""
        ...

    def verify(self, token: Any, issuer: Issuer) -> Proof:  # noqa: ANN401 - what `parse` of such a format returned
        """Return what *token* proves under *issuer*'s keys, or raise `Refused`."""
        ...


class Unverified(Protocol):
    """A well-formed token of which nothing may be believed yet."""

    def choose_issuer(self, issuers: tuple[Issuer, ...]) -> Issuer:
        """Return the one of *issuers* that the token claims to come from, or raise `Refused`. Touches no key."""
        ...

    @property
    def key_id(self) -> str | None:
        """The public key that the token says it was signed with; None where it does not say."""
        ...


# What the key set of an issuer's secrets is called beside that of its public keys, which has the issuer's name.
SECRETS = "/secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Somebody whose tokens are accepted, and how they are verified.

    *iss* is the exact `iss` of its JWTs (None: any, or none at all); *audiences* None accepts any `aud`. *key_set*
    verifies JWTs, *session_key_set* session cookies. *session_check* says when its session store is asked. *other_iss*
    are the `iss` values of the other issuers: they decide which tokens come here, so they are in the fingerprint.
    """

    name: str
    formats: tuple[TokenFormat, ...]
    iss: str | None
    audiences: frozenset[str] | None
    algorithms: frozenset[str]
    required_claims: frozenset[str]
    token_types: frozenset[str]
    key_set: KeySet
    session_key_set: KeySet = NO_KEYS
    session_check: SessionCheck = SessionCheck.NONE
    refuses_banned: bool = False
    refuses_anonymous: bool = False
    other_iss: frozenset[str] = frozenset()
    fingerprint: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Fingerprint everything that verification depends on: a remembered proof is good for this and no other."""
        settings = (
            self.name,
            [repr(token_format) for token_format in self.formats],
            self.iss,
            None if self.audiences is None else sorted(self.audiences),
            sorted(self.algorithms),
            sorted(self.required_claims),
            sorted(self.token_types),
            self.key_set.fingerprint,
            self.session_key_set.fingerprint,
            self.session_check,
            self.refuses_banned,
            self.refuses_anonymous,
            sorted(self.other_iss),
        )
        object.__setattr__(self, "fingerprint", hashlib.sha256(repr(settings).encode()).digest())

    def key_set_named(self, name: str) -> KeySet:
        """Return the key set of this *name*: that of the issuer's secrets or that of its public keys."""
        return self.session_key_set if name.endswith(SECRETS) else self.key_set

    def with_keys(self, keys: KeySet) -> Issuer:
        """Return this issuer with *keys* in place of its own."""
        return replace(self, key_set=keys)

    def with_key_set(self, name: str, keys: KeySet) -> Issuer:
        """Return this issuer with *keys* in place of the key set of this *name*."""
        return replace(self, session_key_set=keys) if name.endswith(SECRETS) else self.with_keys(keys)


class ProofCache(Protocol):
    """Remembers proofs, never decisions: one is returned only for the same credential and fingerprint."""

    def get(self, digest: bytes, issuer: Issuer) -> Proof | None:
        """Return what the credential of *digest* proved under *issuer* as it is now, or None."""
        ...

    def put(self, digest: bytes, issuer: Issuer, proof: Proof, *, size: int, now: float) -> None:
        """Keep *proof*, made at *now*; *size* in bytes counts against the memory's bound."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a request must fulfil. For now there is one: a signed-in user, everywhere."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What decisions are made from. *leeway_seconds* lies between 0 and 300."""

    issuers: tuple[Issuer, ...]
    policies: tuple[Policy, ...]
    places: tuple[CredentialPlace, ...]
    outputs: tuple[Output, ...]
    csrf: CsrfRule | None
    leeway_seconds: float
    proofs: ProofCache = field(repr=False)

    def issuer(self, name: str) -> Issuer:
        """Return the issuer of this *name*, or whose key set has this name; it is there."""
        name = name.removesuffix(SECRETS)
        return next(issuer for issuer in self.issuers if issuer.name == name)

    def with_issuer(self, issuer: Issuer) -> Snapshot:
        """Return this snapshot with *issuer* in place of the one of the same name."""
        return replace(self, issuers=tuple(issuer if i.name == issuer.name else i for i in self.issuers))
