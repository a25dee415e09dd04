"""Real tokens, made by Better Auth's JWT plugin, and what became of them when somebody tampered with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from authgate.core.decision import Allow, Deny
from authgate.core.reasons import Reason
from authgate.tokens import algorithms, jwk
from tests.support.deciding import decide_now, make_issuer, make_snapshot, request_with

VECTORS = {
    path.stem: json.loads(path.read_bytes()) for path in (Path(__file__).parents[1] / "vectors").glob("ba-jwt-*")
}

# The corpus says in its own words why a token is refused.
REASONS = {
    "alg none": Reason.WRONG_ALGORITHM,
    "expired": Reason.EXPIRED,
    "unknown kid": Reason.UNKNOWN_KEY,
    "bad signature": Reason.BAD_SIGNATURE,
    "audience mismatch": Reason.WRONG_AUDIENCE,
    "issuer mismatch": Reason.UNKNOWN_ISSUER,
}


def decide_vector(vector: dict[str, Any]) -> Allow | Deny:
    config = vector["config"]
    allowed = algorithms.fully_specified(config["algorithms"])
    issuer = make_issuer(
        jwk.from_jwks(json.dumps(config["jwks"]).encode(), allowed),
        issuer=config["issuer"],
        audiences=frozenset({config["audience"]}),
        algorithms=allowed,
    )
    near_expiry = abs(vector["verify_at"] - vector["expires_at"]) < 120
    snapshot = make_snapshot(issuer, leeway_seconds=0 if near_expiry else 30)
    return decide_now(request_with(*vector["request"]["headers"].items()), snapshot, vector["verify_at"])


def named(*, accept: bool) -> list[str]:
    return sorted(name for name, vector in VECTORS.items() if vector["expected"]["accept"] is accept)


def test_the_corpus_is_complete() -> None:
    assert (len(named(accept=True)), len(named(accept=False))) == (6, 7)


@pytest.mark.parametrize("name", named(accept=True))
def test_a_real_token_is_accepted_as_the_user_that_it_is_about(name: str) -> None:
    expected = VECTORS[name]["expected"]
    decision = decide_vector(VECTORS[name])
    assert isinstance(decision, Allow)
    assert decision.identity.subject == expected["user_id"]
    assert decision.identity.email == expected["email"]
    assert decision.identity.session_id == expected["session_id"]
    assert decision.identity.roles == ((expected["role"],) if "role" in expected else ())
    assert dict(decision.headers)["X-User-Id"] == expected["user_id"]


@pytest.mark.parametrize("name", named(accept=False))
def test_a_tampered_token_is_refused_for_what_is_wrong_with_it(name: str) -> None:
    decision = decide_vector(VECTORS[name])
    assert isinstance(decision, Deny)
    assert decision.reason is REASONS[VECTORS[name]["expected"]["reason"]]
