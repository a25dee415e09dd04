"""The real Better Auth and its JWT plugin: its keys, and its tokens through nginx and AuthGate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate.core.attempts import Attempts
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


def verified(auth: BetterAuth, token: str) -> jws.UnverifiedJws:
    parsed = jws.parse(token)
    keys = jwk.from_jwks(auth.jwks(), ALL_ALGORITHMS)
    assert keys.skipped == ()
    assert jws.verify_signature(parsed, keys, ALL_ALGORITHMS, Attempts()).key_id == parsed.key_id
    return parsed


def key_ids(auth: BetterAuth) -> list[str | None]:
    return [key.key_id for key in jwk.from_jwks(auth.jwks(), ALL_ALGORITHMS).keys]


def protected(nginx_alone: Proxies, folder: Path, auth: BetterAuth, **changes: int) -> AbstractContextManager[Running]:
    """Run AuthGate for the tokens of *auth*. By default both `iss` and `aud` are Better Auth's origin."""
    settings = {
        "name": "app",
        "preset": "jwt",
        "issuer": auth.origin,
        "audiences": [auth.origin],
        "jwks_url": auth.jwks_url,
        "allow_http": True,
    }
    return nginx_alone.serve(folder, settings | changes)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_session_is_allowed_before_and_after_a_rotation(nginx_alone: Proxies, tmp_path: Path, algorithm: str) -> None:
    with better_auth(tmp_path, algorithm=algorithm) as auth:
        cookies = auth.sign_up("ada@example.com", role="admin")
        old_token = auth.token(cookies)
        old = verified(auth, old_token)
        assert old.algorithm == algorithm
        assert old.token_type is None
        assert old.payload["email"] == "ada@example.com"
        assert old.payload["role"] == "admin"
        assert old.payload["iss"] == old.payload["aud"] == auth.origin
        (key,) = jwk.from_jwks(auth.jwks(), ALL_ALGORITHMS).keys
        assert key.algorithm in fully_specified((algorithm,))
        with protected(nginx_alone, tmp_path, auth) as running:  # not earlier: a request for keys would make one
            assert identity(running.ask(old_token).json) == {
                "x-user-id": [old.payload["sub"]],
                "x-user-email": ["ada@example.com"],
                "x-user-name": ["Ada"],
                "x-user-roles": ["admin"],
            }

            auth.expire_keys()
            assert key_ids(auth) == [old.key_id], "the new key is made by the next token, not by the rotation"
            new_token = auth.token(cookies)
            new = verified(auth, new_token)
            assert new.key_id != old.key_id
            assert key_ids(auth) == [old.key_id, new.key_id], "the grace period lists both"
            verified(auth, old_token)
            for token in (new_token, old_token, auth.token(cookies)):
                assert running.ask(token).status == 200
            assert [key["key_id"] for key in running.report("app")["keys"]] == [old.key_id, new.key_id]


def test_without_a_grace_period_the_old_key_is_refused_after_the_next_refresh(
    nginx_alone: Proxies, tmp_path: Path
) -> None:
    with better_auth(tmp_path, grace_seconds=0) as auth:
        cookies = auth.sign_up()
        old = auth.token(cookies)
        with protected(nginx_alone, tmp_path, auth, refresh_seconds=1, cooldown_seconds=1) as running:
            assert running.ask(old).status == 200
            auth.expire_keys()
            new = auth.token(cookies)
            assert key_ids(auth) == [jws.parse(new).key_id]
            running.until(401, old, meanwhile={200})
            assert running.ask(new).status == 200
            assert [gone["key_id"] for gone in running.report("app")["departed"]] == [jws.parse(old).key_id]


def test_tokens_are_allowed_while_better_auth_is_down(nginx_alone: Proxies, tmp_path: Path) -> None:
    with (
        better_auth(tmp_path) as auth,
        protected(nginx_alone, tmp_path, auth, refresh_seconds=1, cooldown_seconds=1) as running,
    ):
        cookies = auth.sign_up()
        old = auth.token(cookies)
        assert running.ask(old).status == 200
        auth.kill()
        until(lambda: running.report("app")["failures_in_a_row"])
        assert running.ask(old).status == 200
        auth.start()
        auth.expire_keys()
        running.until(200, auth.token(cookies), meanwhile={503})
        assert running.ask(old).status == 200
        assert running.report("app")["state"] == "ready"


def test_better_auth_may_start_after_authgate(nginx_alone: Proxies, tmp_path: Path) -> None:
    with better_auth(tmp_path) as auth:
        token = auth.token(auth.sign_up())
        auth.kill()
        with protected(nginx_alone, tmp_path, auth, cooldown_seconds=1) as running:
            assert running.ask(token).status == 503
            auth.start()
            running.until(200, token, meanwhile={503})


def test_a_better_auth_below_a_path_signs_for_its_origin_only(tmp_path: Path) -> None:
    with better_auth(tmp_path, base_url="https://app.example.com/custom/auth") as auth:
        payload = verified(auth, auth.token(auth.sign_up())).payload
        assert payload["iss"] == payload["aud"] == "https://app.example.com"


def test_the_application_chooses_issuer_audience_and_lifetime(tmp_path: Path) -> None:
    chosen = {"issuer": "https://auth.example.com", "audience": ["tasks", "notes"], "expirationTime": "1h"}
    with better_auth(tmp_path, jwt=chosen, rotation_seconds=3600) as auth:
        payload = verified(auth, auth.token(auth.sign_up())).payload
        assert (payload["iss"], payload["aud"]) == (chosen["issuer"], chosen["audience"])
        assert payload["exp"] - payload["iat"] == 3600
