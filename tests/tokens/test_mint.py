"""Development tokens of `authgate mint`: accepted under their own secret, and under no other."""

from __future__ import annotations

import pytest

from authgate.core.decision import Allow
from authgate.core.reasons import Reason
from authgate.tokens.mint import mint
from tests.support.deciding import decide_token, make_issuer, make_snapshot, secret_keys
from tests.support.tokens import HMAC, OTHER_SECRET, claims


@pytest.mark.parametrize("algorithm", HMAC)
def test_a_minted_token_is_accepted_under_its_secret(algorithm: str) -> None:
    keys = secret_keys(algorithm=algorithm)
    token = mint(claims(name="J\u00fcrgen"), keys.keys[0])
    decision = decide_token(token, make_snapshot(make_issuer(keys)))
    assert isinstance(decision, Allow)
    assert (decision.identity.subject, decision.identity.name) == ("user-1", "J\u00fcrgen")


def test_a_minted_token_is_refused_under_another_secret() -> None:
    token = mint(claims(), secret_keys(OTHER_SECRET).keys[0])
    assert decide_token(token).reason is Reason.BAD_SIGNATURE
