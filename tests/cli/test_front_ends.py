"""`explain` and `check` with front ends of Better Auth that are set up in unusual ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import commands
from tests.support.better_auth import SECRET, BetterAuth, better_auth

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(400)  # the first one installs Better Auth


@pytest.fixture(scope="module")
def leaving_out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BetterAuth]:
    """A front end whose get-session leaves parts of the session out, and that takes signed bearers only."""
    folder = tmp_path_factory.mktemp("leaving_out")
    with better_auth(folder, customSession=True, bearer={"requireSignature": True}) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("Ada", "ALLOWED"),
        ("no token", "left session.token out"),
        ("no session", "not an object with a session and a user"),
    ],
)
def test_explain_says_what_get_session_leaves_out(leaving_out: BetterAuth, name: str, outcome: str) -> None:
    browser = leaving_out.browser().sign_up(f"{name.replace(' ', '-')}@example.com", name=name)
    environ = {"BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_URL": leaving_out.base_url}
    shown = " ".join(commands.authgate("explain", stdin=browser.cookies, environ=environ).stdout.split())
    assert outcome in shown
    assert ("customSession and similar plugins must keep both" in shown) is (outcome != "ALLOWED")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BetterAuth]:
    with better_auth(tmp_path_factory.mktemp("plain")) as running:
        yield running


def test_check_warns_of_a_front_end_that_takes_unsigned_bearer_tokens(
    plain: BetterAuth, leaving_out: BetterAuth
) -> None:
    for front_end, warns in ((plain, True), (leaving_out, False)):
        environ = {"BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_URL": front_end.base_url}
        checked = commands.authgate("check", "--fetch", environ=environ)
        assert checked.returncode == 0, checked.stderr
        assert ("requireSignature: true" in checked.stderr) is warns
        unsigned = front_end.browser().sign_up("unsigned@example.com").get_session()["session"]["token"]
        answer = front_end.ask("/get-session", f"Authorization: Bearer {unsigned}")
        assert (answer.json is not None) is warns, "the warning is true"
