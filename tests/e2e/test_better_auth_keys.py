"""The real Better Auth and its JWT plugin: its keys, and its tokens through nginx and AuthGate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate.tokens import jwk, jws
from authgate.tokens.algorithms import ALL_ALGORITHMS, fully_specified
from tests.support.better_auth import ALGORITHMS, BetterAuth, better_auth
from tests.support.e2e import identity
from tests.support.waiting import until

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.support.behind_proxies import Proxies, Running

pytestmark = pytest.mark.timeout(400)  # the first one installs Better Auth


def verified(one: BetterAuth, token: str) -> jws.UnverifiedJws:
    parsed = jws.parse(token)
    keys = jwk.from_jwks(one.jwks(), ALL_ALGORITHMS)
    assert keys.skipped == ()
    assert jws.verify_signature(parsed, keys, ALL_ALGORITHMS).key_id == parsed.key_id
    return parsed


def key_ids(one: BetterAuth) -> list[str | None]:
    return [key.key_id for key in jwk.from_jwks(one.jwks(), ALL_ALGORITHMS).keys]


def protected(nginx_alone: Proxies, folder: Path, one: BetterAuth, **changes: int) -> AbstractContextManager[Running]:
    """Run AuthGate for the tokens of *one*. By default both `iss` and `aud` are Better Auth's origin."""
    settings = {
        "name": "app",
        "preset": "jwt",
        "issuer": one.origin,
        "audiences": [one.origin],
        "jwks_url": one.jwks_url,
        "allow_http": True,
    }
    return nginx_alone.serve(folder, settings | changes)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_session_is_allowed_before_and_after_a_rotation(nginx_alone: Proxies, tmp_path: Path, algorithm: str) -> None:
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
        with protected(nginx_alone, tmp_path, one) as running:  # not earlier: a request for keys would make one
            assert identity(running.ask(old_token).json) == {
                "x-user-id": [old.payload["sub"]],
                "x-user-email": ["ada@example.com"],
                "x-user-name": ["Ada"],
                "x-user-roles": ["admin"],
            }

            one.expire_keys()
            assert key_ids(one) == [old.key_id], "the new key is made by the next token, not by the rotation"
            new_token = one.token(cookies)
            new = verified(one, new_token)
            assert new.key_id != old.key_id
            assert key_ids(one) == [old.key_id, new.key_id], "the grace period lists both"
            verified(one, old_token)
            for token in (new_token, old_token, one.token(cookies)):
                assert running.ask(token).status == 200
            assert [key["key_id"] for key in running.report("app")["keys"]] == [old.key_id, new.key_id]


def test_without_a_grace_period_the_old_key_is_refused_after_the_next_refresh(
    nginx_alone: Proxies, tmp_path: Path
) -> None:
    with better_auth(tmp_path, grace_seconds=0) as one:
        cookies = one.sign_up()
        old = one.token(cookies)
        with protected(nginx_alone, tmp_path, one, refresh_seconds=1, cooldown_seconds=1) as running:
            assert running.ask(old).status == 200
            one.expire_keys()
            new = one.token(cookies)
            assert key_ids(one) == [jws.parse(new).key_id]
            running.until(401, old, meanwhile={200})
            assert running.ask(new).status == 200
            assert [gone["key_id"] for gone in running.report("app")["departed"]] == [jws.parse(old).key_id]


def test_tokens_are_allowed_while_better_auth_is_down(nginx_alone: Proxies, tmp_path: Path) -> None:
    with (
        better_auth(tmp_path) as one,
        protected(nginx_alone, tmp_path, one, refresh_seconds=1, cooldown_seconds=1) as running,
    ):
        cookies = one.sign_up()
        old = one.token(cookies)
        assert running.ask(old).status == 200
        one.kill()
        until(lambda: running.report("app")["failures_in_a_row"])
        assert running.ask(old).status == 200
        one.start()
        one.expire_keys()
        running.until(200, one.token(cookies), meanwhile={503})
        assert running.ask(old).status == 200
        assert running.report("app")["state"] == "ready"


def test_better_auth_may_start_after_authgate(nginx_alone: Proxies, tmp_path: Path) -> None:
    with better_auth(tmp_path) as one:
        token = one.token(one.sign_up())
        one.kill()
        with protected(nginx_alone, tmp_path, one, cooldown_seconds=1) as running:
            assert running.ask(token).status == 503
            one.start()
            running.until(200, token, meanwhile={503})


def test_a_better_auth_below_a_path_signs_for_its_origin_only(tmp_path: Path) -> None:
    with better_auth(tmp_path, base_url="https://app.example.com/custom/auth") as one:
        payload = verified(one, one.token(one.sign_up())).payload
        assert payload["iss"] == payload["aud"] == "https://app.example.com"


def test_the_application_chooses_issuer_audience_and_lifetime(tmp_path: Path) -> None:
    chosen = {"issuer": "https://auth.example.com", "audience": ["tasks", "notes"], "expirationTime": "1h"}
    with better_auth(tmp_path, jwt=chosen, rotation_seconds=3600) as one:
        payload = verified(one, one.token(one.sign_up())).payload
        assert (payload["iss"], payload["aud"]) == (chosen["issuer"], chosen["audience"])
        assert payload["exp"] - payload["iat"] == 3600
