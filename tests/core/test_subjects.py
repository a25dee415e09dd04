"""Each user id belongs to one issuer: with its prefix, or without one if it does not begin with another's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate.core.decision import Allow, Deny
from authgate.core.errors import Refused
from authgate.core.identity import Identity
from authgate.core.reasons import Reason
from authgate.core.subjects import with_prefix
from authgate.tokens import LruProofCache
from tests.support.deciding import bearer, decide_now, decide_token, make_issuer, make_snapshot
from tests.support.tokens import claims, mint

if TYPE_CHECKING:
    from authgate.core.snapshot import Issuer

APP = make_issuer(other_prefixes=("idp|", "partner:"))
PARTNER = make_issuer(subject_prefix="partner:")


def placed(ids: tuple[str, str | None], issuer: Issuer) -> tuple[str, str | None] | Reason:
    """Return the ids that services get, or the reason of the refusal."""
    subject, actor = ids
    try:
        identity = with_prefix(Identity(issuer="app", format="jwt", subject=subject, impersonated_by=actor), issuer)
    except Refused as refused:
        return refused.reason
    return identity.subject, identity.impersonated_by


@pytest.mark.parametrize(
    ("issuer", "ids", "expected"),
    [
        (make_issuer(), ("partner:ada", "admin"), ("partner:ada", "admin")),
        (APP, ("ada", None), ("ada", None)),
        (APP, ("Partner", "partner"), ("Partner", "partner")),
        (APP, ("Partner:ada", None), Reason.FOREIGN_SUBJECT),
        (APP, ("ada", "IDP|admin"), Reason.FOREIGN_SUBJECT),
        (APP, ("partner:ada", None), Reason.FOREIGN_SUBJECT),
        (APP, ("idp|ada", None), Reason.FOREIGN_SUBJECT),
        (APP, ("partner:", None), Reason.FOREIGN_SUBJECT),
        (APP, ("ada", "partner:admin"), Reason.FOREIGN_SUBJECT),
        (PARTNER, ("ada", None), ("partner:ada", None)),
        (PARTNER, ("partner:ada", "admin"), ("partner:partner:ada", "partner:admin")),
    ],
)
def test_user_ids_get_the_prefix_of_their_issuer_and_never_that_of_another(
    issuer: Issuer, ids: tuple[str, str | None], expected: object
) -> None:
    assert placed(ids, issuer) == expected


def test_a_token_says_who_its_user_is_under_the_prefix_that_counts_now() -> None:
    token, proofs = mint(claims(act={"sub": "admin"})), LruProofCache()
    for prefix in ("partner:", "", "idp|"):  # the proof is cached
        decision = decide_now(bearer(token), make_snapshot(make_issuer(subject_prefix=prefix), proofs=proofs))
        assert isinstance(decision, Allow)
        assert dict(decision.headers)["X-User-Id"] == f"{prefix}user-1"
        assert decision.identity is not None
        assert decision.identity.impersonated_by == f"{prefix}admin"
        assert decision.identity.claims["sub"] == "user-1", "the claims are those of the token"


def test_a_foreign_user_id_is_refused_by_the_check_of_the_token() -> None:
    decision = decide_token(mint(claims(sub="partner:ada")), make_snapshot(APP))
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.FOREIGN_SUBJECT
    assert "issuer app has no subject_prefix, and its user id 'partner:ada'" in decision.detail
    assert decision.checks[-1].name == "token"


@pytest.mark.parametrize("sub", ["", None, 5, True, [], {}])
def test_a_prefix_does_not_make_a_user_of_an_empty_id(sub: object) -> None:
    token = mint({**claims(), "sub": sub})
    assert isinstance(decide_token(token, make_snapshot(PARTNER)), Deny)
