"""A real AuthGate that reads the sessions of a real Better Auth, behind real proxies."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.client import Answer, ask
from tests.support.e2e import identity
from tests.support.waiting import until, until_refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.support.behind_proxies import Proxies, Running
    from tests.support.better_auth import BetterAuth
    from tests.support.browser import Browser

# Expiry times are whole seconds, and a store is asked a moment before its answer is cached. Little enough to notice a
# wrong bound.
SLACK_SECONDS = 3.0

# The shipped proxies copy these four. X-User-Name shows the administrator who acts as the user.
HEADERS = {"X-User-Id": "subject", "X-User-Email": "email", "X-User-Roles": "roles", "X-User-Name": "impersonated_by"}

_NUMBERS = itertools.count(1)


def sessions_of(auth: BetterAuth, **changes: Any) -> dict[str, Any]:
    """Return an issuer for the sessions of *auth*, with its address, secret and *changes*; None removes a setting."""
    from tests.support.better_auth import SECRET  # noqa: PLC0415 - installs nothing

    issuer = {"name": "app", "preset": "better-auth", "url": auth.base_url, "secret": SECRET, **changes}
    return {name: value for name, value in issuer.items() if value is not None}


def protected(proxies: Proxies, folder: Path, auth: BetterAuth, **changes: Any) -> AbstractContextManager[Running]:
    """Run AuthGate for the sessions of *auth* with `HEADERS` and *changes* of the issuer."""
    return proxies.serve(folder, sessions_of(auth, **changes), headers=HEADERS)


def new_email() -> str:
    """Return an e-mail address that is not used yet."""
    return f"user-{next(_NUMBERS)}@example.com"


def without_data(browser: Browser) -> str:
    """Return the cookies of *browser* without the cookie cache, as after its expiry."""
    return "; ".join(f"{name}={value}" for name, value in browser.jar if "session_data" not in name)


@dataclass(frozen=True)
class Seen:
    """An answer: *user* is that of the identity headers that arrived upstream; a refusal has a *reason*."""

    status: int
    user: str | None
    reason: str | None
    headers: dict[str, list[str]]


def seen_with(running: Running, cookies: str, *lines: str) -> Seen:
    """Return the answer to a request with *cookies*. All proxies must give the same."""
    answers = seen_each(running, cookies, *lines)
    (first, *others) = answers.values()
    assert all(other == first for other in others), answers
    return first


def seen_each(running: Running, cookies: str, *lines: str) -> dict[str, Seen]:
    """Return each proxy's answer to a request with *cookies*, by the proxy's name."""
    running.sent += [pair.partition("=")[2] for pair in cookies.split("; ")]
    sent = [f"Cookie: {cookies}"] if cookies else []
    return {name: seen(ask(port, "/api/echo", *sent, *lines)) for name, port in running.ports.items()}


def seen(answer: Answer) -> Seen:
    """Return the parts of *answer* that tests compare."""
    if answer.status != 200:
        return Seen(answer.status, None, answer.json["reason"], {})
    headers = identity(answer.json)
    return Seen(200, headers.get("x-user-id", [""])[0], None, headers)


def refused_within(running: Running, seconds: float, cookies: str, *, reasons: set[str]) -> None:
    """Ask until every proxy refuses, for one of *reasons*. Until then every answer must be 200.

    A cached answer may expire between two proxies.
    """

    def is_allowed_somewhere() -> bool:
        answers = seen_each(running, cookies).values()
        assert all(answer.status == 200 or answer.reason in reasons for answer in answers), answers
        return any(answer.status == 200 for answer in answers)

    until_refused(is_allowed_somewhere, seconds=seconds + SLACK_SECONDS)


def allowed_in_time(running: Running, sign_in: Callable[[], str], user: str) -> str:
    """Sign in until every proxy has let *user* in before the cookies expired, and return them."""

    def cookies_in_time() -> str:
        cookies = sign_in()
        answers = seen_each(running, cookies).values()
        assert all(answer.user == user or answer.reason == "expired" for answer in answers), answers
        return cookies if all(answer.user == user for answer in answers) else ""

    return str(until(cookies_in_time))


def asked_once(running: Running) -> None:
    """Wait for the one lookup that AuthGate makes when it starts: tests count the later ones."""
    until(lambda: running.readyz().json["issuers"]["app"]["sessions"] == "ready")
