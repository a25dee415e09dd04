"""Clerk's cookies: their names, the sessions of other applications beside them, and requests of other sites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.decision import Allow
from authgate.core.reasons import Reason
from authgate.presets.providers.clerk import cookie_suffix
from tests.presets.test_clerk import CLERK, KEY, OTHER, SUFFIX, V2
from tests.support.deciding import decide_now, request_with
from tests.support.provider import KEY_ID
from tests.support.tokens import mint

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.core.decision import Decision


def token(**changes: Any) -> str:
    claims = {name: value for name, value in (V2 | changes).items() if value is not ...}
    return mint(claims, algorithm="RS256", header={"kid": KEY_ID})


def decide(folder: Path, cookies: dict[str, str], method: str = "GET", *more: tuple[str, str], **rest: Any) -> Decision:
    line = "; ".join(f"{name}={value}" for name, value in cookies.items())
    prepared = CLERK.prepared(folder, **rest)
    return decide_now(request_with(("Cookie", line), *more, method=method), prepared.snapshot)


@pytest.mark.parametrize(
    ("key", "suffix"),
    [
        ("pk_live_Y2xlcmsuY2xlcmsuZGV2JA", "1Z8AzTQD"),
        ("pk_test_Y2xlcmsuY2xlcmsuZGV2JA", "QvfNY2dr"),
        ("pk_test_Y2xlYW4tbWF5Zmx5LTYyLmNsZXJrLmFjY291bnRzLmRldiQ", "kgUPyBNU"),
        (KEY, SUFFIX),
    ],
)
def test_the_suffix_of_the_cookie_is_that_of_clerks_own_tests(key: str, suffix: str) -> None:
    assert cookie_suffix(key) == suffix


def test_a_session_of_another_application_on_the_same_host_does_no_harm(tmp_path: Path) -> None:
    foreign = token(iss="https://clean-mayfly-62.clerk.accounts.dev", azp="http://localhost:3001")
    own = decide(tmp_path, {"__session": foreign, f"__session_{SUFFIX}": token(), "__session_QvfNY2dr": foreign})
    assert isinstance(own, Allow)
    alone = decide(tmp_path, {"__session": foreign, "__session_QvfNY2dr": foreign})
    assert not isinstance(alone, Allow)
    assert alone.reason is Reason.UNKNOWN_ISSUER


def test_a_token_in_authorization_comes_before_the_cookies(tmp_path: Path) -> None:
    bearer = ("Authorization", f"Bearer {token(sub=OTHER)}")
    decision = decide(tmp_path, {f"__session_{SUFFIX}": token()}, "GET", bearer)
    assert isinstance(decision, Allow)
    assert dict(decision.headers)["X-User-Id"] == OTHER


def test_another_site_can_use_the_cookie_for_nothing_but_reading(tmp_path: Path) -> None:
    cross = ("Sec-Fetch-Site", "cross-site")
    for name in ("__session", f"__session_{SUFFIX}"):
        assert isinstance(decide(tmp_path, {name: token()}, "GET", cross), Allow)
        refused = decide(tmp_path, {name: token()}, "POST", cross)
        assert not isinstance(refused, Allow)
        assert refused.reason is Reason.CSRF
    bearer = ("Authorization", f"Bearer {token()}")
    assert isinstance(decide(tmp_path, {}, "POST", cross, bearer), Allow)


def test_credentials_can_name_the_cookies_of_the_issuer(tmp_path: Path) -> None:
    only_cookies = {"credentials": [{"session": "clerk"}]}
    in_header = CLERK.decide(tmp_path, V2, **only_cookies)
    assert (in_header.answer, "Authorization" in in_header.detail) == ("401 no_credential", False)
    for name in ("__session", f"__session_{SUFFIX}"):
        assert CLERK.decide(tmp_path, V2, place=f"cookie:{name}", **only_cookies).answer == "200"


def test_a_policy_can_name_the_cookies_of_the_issuer(tmp_path: Path) -> None:
    policy = {"name": "pages", "match": {"path": "/**"}, "require": "signed_in", "credentials": [{"session": "clerk"}]}
    assert CLERK.decide(tmp_path, V2, place="cookie:__session", policies=[policy]).answer == "200"
    assert CLERK.decide(tmp_path, V2, policies=[policy]).answer == "401 no_credential"


def test_check_says_where_sessions_are(tmp_path: Path) -> None:
    lines = CLERK.prepared(tmp_path).announcements
    assert [line for line in lines if f"also looks in cookie __session_{SUFFIX}, cookie __session" in line], lines
