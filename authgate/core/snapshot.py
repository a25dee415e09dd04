"""The snapshot: everything that a decision depends on. It is immutable, and always replaced as a whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from authgate.core.demands import NO_TRAITS, Traits
from authgate.core.keys import NO_KEYS
from authgate.core.proof import SessionCheck
from authgate.core.refusal_cache import NO_REFUSAL_CACHE
from authgate.core.refusals import DEFAULT_REFUSALS, Refusals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authgate.core.attempts import Attempts
    from authgate.core.cached_proof import CachedProof
    from authgate.core.claim_paths import ClaimPath
    from authgate.core.credential import Credential
    from authgate.core.demands import Demand
    from authgate.core.header_lines import HeaderLines
    from authgate.core.keys import KeySet
    from authgate.core.outputs import Output
    from authgate.core.policies import Policies
    from authgate.core.proof import Proof
    from authgate.core.refusal_cache import RefusalCache


class TokenFormat(Protocol):
    """One kind of token. It is pure, without clock or I/O, so its proofs can be cached."""

    @property
    def name(self) -> str:
        """The name of the format, as in `Identity.format`."""
        ...

    @property
    def shape(self) -> str:
        """What kind of token `parse` returns. Formats of the same shape can verify each other's tokens."""
        ...

    def recognizes(self, credential: Credential) -> bool:
        """Whether *credential* looks like this format."""
        ...

    def parse(self, credential: Credential) -> Unverified:
        """Return the well-formed but unverified token in *credential*, or raise `Refused`."""
        ...

    def verify(self, token: Any, issuer: Issuer, attempts: Attempts) -> Proof:  # noqa: ANN401 - what `parse` returned
        """Return what *token* proves under the keys of *issuer*, or raise `Refused`.

        Every operation with a public key goes through *attempts*, which may raise `TooManyAttempts`.
        """
        ...


class Unverified(Protocol):
    """A well-formed token. Nothing in it is verified yet."""

    def choose_issuer(self, issuers: tuple[Issuer, ...]) -> Issuer:
        """Return the issuer of *issuers* that the token claims to come from, or raise `Refused`. Uses no key."""
        ...

    @property
    def key_id(self) -> str | None:
        """The id of the public key that the token claims to be signed with; None if the token names no key."""
        ...


# Among so many issuers, looking for a proof of each takes less time than reading the credential.
_FEW_ISSUERS = 16

# The key set of an issuer's public keys has the issuer's name. The name of the key set of its secrets adds this suffix.
SECRETS = "/secret"


class Accept(StrEnum):
    """Which kinds of JWTs an issuer accepts, by what they say about themselves (tokens/purpose.py)."""

    ACCESS_TOKEN = "access_token"  # noqa: S105 - the name of a kind
    ID_TOKEN = "id_token"  # noqa: S105 - the name of a kind
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """A party whose tokens are accepted, and how they are verified.

    *iss* is the exact `iss` of its JWTs; None accepts any, and JWTs without one. *also_iss* are further values: a
    Better Auth with several hosts writes the host of each request. *audiences* None accepts any `aud`.
    *token_types* are the accepted values of the header `typ`, in lower case and without "application/".
    *identity* has the claims that fields of the identity come from, by field; other fields come from the usual claims.
    *required_claims* must be present, and *demands* say which values claims must have. *traits* are what is particular
    to its tokens.
    *key_set* verifies JWTs, *session_key_set* opens session cookies. *session_check* says when its session store is
    asked; no proof depends on it. *other_iss* has the `iss` of every other issuer if *iss* is None or every tenant is
    accepted. Tokens with one of these never go to this issuer, so the fingerprint depends on them. *subject_prefix*
    comes before its user ids.
    *other_prefixes* are those of other issuers, case-folded: no user id of an issuer without a prefix may begin with
    one (`core/subjects.py`). *claims_read* are the claims that some policy or header reads, None: all. Cached proofs
    have no others, so the fingerprint depends on them. What `tokens/` makes once of these settings, it keeps in
    *prepared*.
    """

    name: str
    formats: tuple[TokenFormat, ...]
    iss: str | None
    audiences: frozenset[str] | None
    algorithms: frozenset[str]
    required_claims: frozenset[ClaimPath]
    token_types: frozenset[str]
    key_set: KeySet
    identity: Mapping[str, tuple[ClaimPath, ...]] = field(default_factory=dict)
    demands: tuple[Demand, ...] = ()
    traits: Traits = NO_TRAITS
    session_key_set: KeySet = NO_KEYS
    accept: Accept = Accept.ACCESS_TOKEN
    session_check: SessionCheck = SessionCheck.NONE
    also_iss: frozenset[str] = frozenset()
    other_iss: frozenset[str] = frozenset()
    subject_prefix: str = ""
    other_prefixes: tuple[str, ...] = ()
    claims_read: frozenset[ClaimPath] | None = None
    fingerprint: bytes = field(init=False, repr=False)
    prepared: dict[Any, Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Compute the fingerprint of everything that an identity depends on. Cached proofs are valid only for it."""
        settings = (
            self.name,
            [repr(token_format) for token_format in self.formats],
            self.iss,
            sorted(self.also_iss),
            None if self.audiences is None else sorted(self.audiences),
            sorted(self.algorithms),
            sorted(self.required_claims),
            sorted(self.token_types),
            self.accept,
            sorted(self.identity.items()),
            self.demands,
            self.traits,
            self.key_set.fingerprint,
            self.session_key_set.fingerprint,
            sorted(self.other_iss),
            self.subject_prefix,
            self.other_prefixes,
            None if self.claims_read is None else sorted(self.claims_read),
        )
        object.__setattr__(self, "fingerprint", hashlib.sha256(repr(settings).encode()).digest())

    @property
    def every_iss(self) -> frozenset[str]:
        """Every `iss` of its JWTs; empty if it accepts any."""
        return self.also_iss | ({self.iss} if self.iss is not None else frozenset())

    def writes(self, iss: str | None) -> bool:
        """Whether JWTs of this issuer have exactly this *iss*. None: whether it accepts any."""
        return iss == self.iss or iss in self.also_iss

    def writes_for_tenant(self, iss: str) -> bool:
        """Whether JWTs of some tenant of this issuer have this *iss*, and every tenant is accepted."""
        tenants = self.traits.tenants
        return tenants is not None and tenants.accepts_any and tenants.fit(iss)

    def key_set_named(self, name: str) -> KeySet:
        """Return the key set called *name*: the issuer's secrets, or its public keys."""
        return self.session_key_set if name.endswith(SECRETS) else self.key_set

    def with_keys(self, keys: KeySet) -> Issuer:
        """Return a copy of this issuer with *keys* as its public keys."""
        return replace(self, key_set=keys)

    def with_key_set(self, name: str, keys: KeySet) -> Issuer:
        """Return a copy of this issuer with *keys* as the key set called *name*."""
        return replace(self, session_key_set=keys) if name.endswith(SECRETS) else self.with_keys(keys)


class Issuers(tuple[Issuer, ...]):  # noqa: SLOT001 - cached_property needs a __dict__
    """Issuers in their order, and what requests look for among them.

    Each index is made when a request first needs it, so a request takes no longer among a thousand issuers.
    """

    @classmethod
    def of(cls, issuers: Iterable[Issuer]) -> Issuers:
        """Return *issuers* as they are if they have indexes already."""
        return issuers if isinstance(issuers, Issuers) else cls(issuers)

    @cached_property
    def by_name(self) -> dict[str, Issuer]:
        """Each issuer by its name."""
        return {issuer.name: issuer for issuer in reversed(self)}

    @cached_property
    def by_iss(self) -> dict[str, Issuer]:
        """The issuer by each `iss` of its JWTs."""
        return {iss: issuer for issuer in reversed(self) for iss in issuer.every_iss}

    @cached_property
    def accepted_iss(self) -> list[str]:
        """Every `iss`, sorted."""
        return sorted(self.by_iss)

    @cached_property
    def of_tenants(self) -> tuple[Issuer, ...]:
        """The issuers that may write an `iss` for each of their tenants."""
        return tuple(issuer for issuer in self if issuer.traits.tenants is not None)

    @cached_property
    def of_any_iss(self) -> tuple[Issuer, ...]:
        """The issuers that accept any `iss`."""
        return tuple(issuer for issuer in self if issuer.writes(None))

    @cached_property
    def by_format(self) -> dict[TokenFormat, Issuers]:
        """The issuers by each of their formats, in the order in which the formats first occur."""
        found: dict[TokenFormat, list[Issuer]] = {}
        for issuer in self:
            for token_format in issuer.formats:
                found.setdefault(token_format, []).append(issuer)
        return {token_format: Issuers(issuers) for token_format, issuers in found.items()}

    def with_format(self, formats: tuple[TokenFormat, ...]) -> Issuers:
        """Return the issuers that have one of *formats*."""
        if len(formats) == 1:
            return self.by_format[formats[0]]
        if formats not in self._by_formats:
            wanted = {*formats}
            self._by_formats[formats] = Issuers(issuer for issuer in self if not wanted.isdisjoint(issuer.formats))
        return self._by_formats[formats]

    @cached_property
    def _by_formats(self) -> dict[tuple[TokenFormat, ...], Issuers]:
        return {}


class ProofCache(Protocol):
    """A cache of proofs, never of decisions. A proof is returned only for the same credential and fingerprint."""

    def get(self, digest: bytes, issuer: Issuer) -> Proof | None:
        """Return what the credential with this *digest* proved under *issuer* as it is now, or None."""
        ...

    def find(self, digest: bytes, issuer: Issuer) -> CachedProof | None:
        """Return the entry of the credential with this *digest* under *issuer* as it is now, or None."""
        ...

    def put(self, digest: bytes, issuer: Issuer, proof: Proof, *, now: float) -> None:
        """Cache *proof*, made at *now*, if the bound of the cache allows it."""
        ...

    def cache_lines(
        self, digest: bytes, issuer: Issuer, entry: CachedProof, outputs: tuple[Output, ...], lines: HeaderLines
    ) -> None:
        """Cache *lines*, made of *outputs*, with *entry*, which `find` returned for this *digest* and *issuer*."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that a decision depends on. *leeway_seconds* is between 0 and 300."""

    issuers: Issuers
    policies: Policies
    leeway_seconds: float
    proofs: ProofCache = field(repr=False)
    refusals: Refusals = DEFAULT_REFUSALS
    refusal_cache: RefusalCache = field(default=NO_REFUSAL_CACHE, repr=False)

    def cached_proof(self, digest: bytes, issuer_name: str) -> tuple[Issuer, CachedProof] | None:
        """Return the cached proof of the credential with this *digest*, and its issuer: *issuer_name*, or any if "".

        A reload may have given a cookie to another issuer: the former issuer's proof counts no longer. Among more than
        16 issuers the credential itself has to say first which of them to look for.
        """
        if issuer_name:
            named = self.issuers.by_name.get(issuer_name)
            issuers: tuple[Issuer, ...] = () if named is None else (named,)
        else:
            issuers = self.issuers if len(self.issuers) <= _FEW_ISSUERS else ()
        for issuer in issuers:
            entry = self.proofs.find(digest, issuer)
            if entry is not None:
                return issuer, entry
        return None

    def issuer(self, name: str) -> Issuer:
        """Return the issuer called *name*, or the issuer of the key set called *name*. It must exist."""
        name = name.removesuffix(SECRETS)
        return self.issuers.by_name[name]

    def with_issuer(self, issuer: Issuer) -> Snapshot:
        """Return a copy of this snapshot with *issuer* in place of the one with the same name."""
        return replace(self, issuers=Issuers(issuer if old.name == issuer.name else old for old in self.issuers))
