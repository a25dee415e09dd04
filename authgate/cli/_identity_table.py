"""What each issuer's JWTs must have, and which claims become the identity, as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.claim_paths import written
from authgate.core.quoting import escaped
from authgate.policies import named_fields
from authgate.tokens.claim_sources import DEFAULT_CLAIMS, unverified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authgate.core.claim_paths import ClaimPath
    from authgate.core.snapshot import Issuer, Snapshot

_JWT_SHAPE = "jws"


def identity_table(snapshot: Snapshot) -> Iterator[str]:
    """Yield the lines of each issuer that accepts JWTs: the fields that the configuration names, each with its claims.

    A claim counts if those before it in its line are absent or empty.
    """
    named = named_fields(snapshot.policies)
    for issuer in snapshot.issuers:
        if any(token_format.shape == _JWT_SHAPE for token_format in issuer.formats):
            rows = [*_fields(issuer, named), *_demands(issuer)]
            width = max(len(name) for name, _ in rows)
            yield f"claims of JWTs of issuer {issuer.name}:"
            yield from (f"  {name.ljust(width)} {text}" for name, text in rows)


def _fields(issuer: Issuer, named: frozenset[str]) -> Iterator[tuple[str, str]]:
    shown = {"subject", *issuer.identity, *named}
    for field, usual in DEFAULT_CLAIMS.items():
        if field in shown:
            others = unverified(issuer.identity) if field == "email_verified" else ()
            unknown = f"; unknown for {_list(others)}" if others else ""
            yield field, f"← {_list(issuer.identity.get(field, usual))}{unknown}"


def _demands(issuer: Issuer) -> Iterator[tuple[str, str]]:
    if issuer.required_claims:
        yield "required_claims", _list(sorted(issuer.required_claims))
    for demand in issuer.demands:
        yield demand.setting, escaped(demand.in_words)


def _list(paths: Iterable[ClaimPath]) -> str:
    return escaped(", ".join(map(written, paths)))
