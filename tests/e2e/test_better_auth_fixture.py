"""What Better Auth's JWT plugin really publishes and signs, read with AuthGate's own code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate.tokens import jwk, jws
from authgate.tokens.algorithms import ALL_ALGORITHMS, fully_specified
from tests.support.better_auth import ALGORITHMS, BetterAuth, better_auth

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(400)  # the first one installs Better Auth


def verified(one: BetterAuth, token: str) -> jws.UnverifiedJws:
    parsed = jws.parse(token)
    keys = jwk.from_jwks(one.jwks(), ALL_ALGORITHMS)
    assert keys.skipped == ()
    assert jws.verify_signature(parsed, keys, ALL_ALGORITHMS).key_id == parsed.key_id
    return parsed


def key_ids(one: BetterAuth) -> list[str | None]:
    return [key.key_id for key in jwk.from_jwks(one.jwks(), ALL_ALGORITHMS).keys]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_verifies_with_the_published_keys_before_and_after_a_rotation(algorithm: str, tmp_path: Path) -> None:
    with better_auth(tmp_path, algorithm=algorithm) as one:
        cookies = one.sign_up("ada@example.com", role="admin")
        old_token = one.token(cookies)
        old = verified(one, old_token)
        assert old.algorithm == algorithm
        assert old.token_type is None
        assert old.payload["email"] == "ada@example.com"
        assert old.payload["role"] == "admin"
        assert old.payload["iss"] == old.payload["aud"] == one.origin
        (key,) = jwk.from_jwks(one.jwks(), ALL_ALGORITHMS).keys
        assert key.algorithm in fully_specified((algorithm,))

        one.expire_keys()
        assert key_ids(one) == [old.key_id], "the new key is made by the next token, not by the rotation"
        new = verified(one, one.token(cookies))
        assert new.key_id != old.key_id
        assert key_ids(one) == [old.key_id, new.key_id], "the grace period lists both"
        verified(one, old_token)


def test_without_a_grace_period_the_old_key_is_gone_at_once(tmp_path: Path) -> None:
    with better_auth(tmp_path, grace_seconds=0) as one:
        cookies = one.sign_up()
        old = verified(one, one.token(cookies))
        one.expire_keys()
        new = verified(one, one.token(cookies))
        assert key_ids(one) == [new.key_id] != [old.key_id]


def test_better_auth_under_an_address_of_its_own_signs_for_the_origin_only(tmp_path: Path) -> None:
    with better_auth(tmp_path, base_url="https://app.example.com/custom/auth") as one:
        payload = verified(one, one.token(one.sign_up())).payload
        assert payload["iss"] == payload["aud"] == "https://app.example.com"


def test_issuer_audience_and_lifetime_are_the_applications_to_choose(tmp_path: Path) -> None:
    chosen = {"issuer": "https://auth.example.com", "audience": ["tasks", "notes"], "expirationTime": "1h"}
    with better_auth(tmp_path, jwt=chosen, rotation_seconds=3600) as one:
        payload = verified(one, one.token(one.sign_up())).payload
        assert (payload["iss"], payload["aud"]) == (chosen["issuer"], chosen["audience"])
        assert payload["exp"] - payload["iat"] == 3600
