"""Issuers and their fingerprints: a cached proof is valid for one configuration only."""

from __future__ import annotations

from typing import Any

import pytest

from authgate.core.demands import Demand, TenantIssuers, Traits
from authgate.core.snapshot import Accept
from authgate.tokens import FORMATS
from tests.support.deciding import make_issuer, make_snapshot, secret_keys
from tests.support.tokens import OTHER_SECRET, SECRET


def demand(accepted: object) -> Demand:
    return Demand(paths=(("a",),), accepted=(accepted,), setting="require_claims")


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"formats": (*(FORMATS.values()), *(FORMATS.values()))},
        {"iss": "https://issuer.example"},
        {"also_iss": frozenset({"https://other.example"})},
        {"audiences": frozenset({"api"})},
        {"audiences": frozenset()},
        {"algorithms": frozenset({"HS256", "HS512"})},
        {"required_claims": frozenset({("jti",)})},
        {"required_claims": frozenset({("exp", "jti")})},
        {"identity": {"subject": (("oid",),)}},
        {"demands": (demand(1),)},
        {"traits": Traits(tenants=TenantIssuers(claim=("tid",), templates=()))},
        {"traits": Traits(tenants=TenantIssuers(claim=("tid",), templates=(), accepts_any=True))},
        {"traits": Traits(flags=(("is_anonymous", ("a",), "b"),))},
        {"traits": Traits(access_marks=(("uid",),))},
        {"token_types": frozenset({"jwt"})},
        {"accept": Accept.ANY},
        {"key_set": secret_keys(OTHER_SECRET)},
        {"key_set": secret_keys(algorithm="HS512")},
        {"other_iss": frozenset({"https://rival.example"})},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_fingerprint_depends_on_everything_that_verification_depends_on(changes: dict[str, Any]) -> None:
    assert make_issuer(**changes).fingerprint != make_issuer().fingerprint


@pytest.mark.parametrize("value", ["1", True, 1.0])
def test_the_fingerprint_depends_on_the_type_of_a_value(value: object) -> None:
    one, other = (make_issuer(demands=(demand(accepted),)) for accepted in (1, value))
    assert one.fingerprint != other.fingerprint


def test_the_fingerprint_is_the_same_for_the_same_configuration() -> None:
    assert make_issuer(audiences=frozenset("ab")).fingerprint == make_issuer(audiences=frozenset("ba")).fingerprint


def test_new_keys_change_the_fingerprint_and_nothing_else() -> None:
    issuer = make_issuer()
    changed = issuer.with_keys(secret_keys(OTHER_SECRET))
    assert changed.fingerprint != issuer.fingerprint
    assert changed.with_keys(issuer.key_set) == issuer


def test_an_issuer_replaces_the_one_with_the_same_name_at_the_same_position() -> None:
    first, second = make_issuer(), make_issuer(name="second", iss="https://second.example")
    changed = second.with_keys(secret_keys(OTHER_SECRET))
    snapshot = make_snapshot(first, second)
    assert snapshot.with_issuer(changed).issuers == (first, changed)
    assert snapshot.issuers == (first, second)


def test_the_repr_of_an_issuer_and_of_a_snapshot_hides_the_secret() -> None:
    assert SECRET.decode() not in repr(make_issuer())
    assert SECRET.decode() not in repr(make_snapshot())
