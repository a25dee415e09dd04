"""Attacks on what refines a decision: a User-Agent, a preflight, a setting of one policy. None may open anything."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from authgate.adapters import ADAPTERS
from authgate.config.load import load
from authgate.core.errors import ConfigError
from authgate.wiring import prepare
from tests.support.serving import ENVIRON, Answer, Served, bearer_line, fresh, serving
from tests.support.tokens import OTHER_SECRET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from authgate.core.errors import Problem

PROXIES = tuple(ADAPTERS)
FRONT = "https://front.example.com"
ISSUER = "issuers:\n  - {name: app, preset: jwt, secret_env: JWT_SECRET, audiences: any}\n"
FILE = f"""{ISSUER}
login_url: https://app.example.com/sign-in
cors: {{allowed_origins: ["{FRONT}"]}}
csrf: {{allowed_origins: ["{FRONT}"]}}
policies:
  - {{name: health, match: {{path: /healthz}}, public: true}}
  - {{name: reading, match: {{path: /data, methods: [GET]}}, require: signed_in}}
  - {{name: writing, match: {{path: /data}}, require: signed_in, cors: {{allowed_origins: []}}}}
  - {{name: rest, require: {{roles: {{any_of: [admin]}}}}}}
"""
# Valid for a day: a run of all tests takes longer than 15 minutes.
ADMIN = bearer_line(fresh(roles=["admin"], exp=int(time.time()) + 86_400))


@pytest_asyncio.fixture
async def configured(tmp_path: Path) -> AsyncIterator[Served]:
    (tmp_path / "authgate.yaml").write_text(FILE)
    async with serving(ENVIRON, file=str(tmp_path / "authgate.yaml")) as running:
        yield running


def identities(answer: Answer) -> list[str]:
    """Return the identity headers that are not empty."""
    return [name for name, value in answer.headers if name.lower().startswith("x-user-") and value]


# H7.

AGENTS = (
    "kube-probe/1.31",
    "GoogleHC/1.0",
    "ELB-HealthChecker/2.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.5.0",
    "",
)
KINDS: dict[str, tuple[tuple[str, str], ...]] = {
    "program": (("Accept", "*/*"),),
    "person": (("Sec-Fetch-Mode", "navigate"), ("Accept", "text/html")),
    "person in an old browser": (("Accept", "text/html,*/*;q=0.8"),),
    "script": (("Sec-Fetch-Mode", "cors"), ("Origin", FRONT)),
    "administrator": (ADMIN,),
    "wrong signature": (bearer_line(fresh(roles=["admin"], key=OTHER_SECRET)),),
}


def timeless(answer: Answer) -> tuple[bytes, bytes]:
    """Return head and body without the time in Date, and in the cookie that counts redirects."""
    return re.sub(rb"\r\nDate: [^\r]*|:\d{10}:", b"", answer.head), answer.body


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("kind", KINDS)
async def test_H7_no_user_agent_changes_an_answer(configured: Served, proxy: str, kind: str) -> None:
    """CVE-2026-34457 (oauth2-proxy): the User-Agent of health checks skipped authentication.

    Not what a client is either: a browser is known by what it asks for, not by its name.
    """
    lines = (*KINDS[kind], ("X-Request-Id", "one-id"))
    for uri in ("/", "/healthz", "/ping"):
        plain = await configured.ask(proxy, *lines, uri=uri)
        for agent in AGENTS:
            answer = await configured.ask(proxy, *lines, ("User-Agent", agent), uri=uri)
            assert timeless(answer) == timeless(plain), agent


# P9.

PREFLIGHT = (("Origin", FRONT), ("Access-Control-Request-Method", "GET"))


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("more", [(), (ADMIN,), (("Cookie", f"access_token={fresh()}"),)], ids=["", "token", "cookie"])
async def test_P9_a_preflight_that_passes_has_no_identity(
    configured: Served, proxy: str, more: tuple[tuple[str, str], ...]
) -> None:
    """oauth2-proxy #735: OPTIONS skipped authentication."""
    for uri in ("/data", "/other"):
        answer = await configured.ask(proxy, *PREFLIGHT, *more, method="OPTIONS", uri=uri)
        assert answer.status == 200
        assert identities(answer) == []


REFUSED_PREFLIGHTS: dict[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    "no requested method": ("OPTIONS", "/data", PREFLIGHT[:1]),
    "no origin": ("OPTIONS", "/data", PREFLIGHT[1:]),
    "another origin": ("OPTIONS", "/data", (("Origin", "https://evil.example"), PREFLIGHT[1])),
    "an origin that begins alike": ("OPTIONS", "/data", (("Origin", f"{FRONT}.evil.example"), PREFLIGHT[1])),
    "the origin null": ("OPTIONS", "/data", (("Origin", "null"), PREFLIGHT[1])),
    "another method": ("GET", "/data", PREFLIGHT),
    "a HEAD": ("HEAD", "/data", PREFLIGHT),
    "for a method whose policy has no origins": (
        "OPTIONS",
        "/data",
        (PREFLIGHT[0], ("Access-Control-Request-Method", "PUT")),
    ),
}


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("kind", REFUSED_PREFLIGHTS)
async def test_P9_nothing_else_passes_as_a_preflight(configured: Served, proxy: str, kind: str) -> None:
    method, uri, lines = REFUSED_PREFLIGHTS[kind]
    answer = await configured.ask(proxy, *lines, method=method, uri=uri)
    assert (answer.status, answer.reason) == (401, "no_credential")
    assert identities(answer) == []


@pytest.mark.parametrize("proxy", PROXIES)
async def test_P9_a_preflight_with_two_origins_or_two_methods_does_not_pass(configured: Served, proxy: str) -> None:
    for line in (("Origin", "https://evil.example"), ("Access-Control-Request-Method", "PUT")):
        for lines in ((*PREFLIGHT, line), (line, *PREFLIGHT)):
            answer = await configured.ask(proxy, *lines, method="OPTIONS", uri="/data")
            assert answer.status in {400, 401, 403}
            assert identities(answer) == []


# J33.

REFINEMENTS = (
    "headers: {X-Tenant: claims.tenant}",
    "login_url: null",
    "login_url: https://app.example.com/other",
    "csrf: {mode: off}",
    "csrf: {allowed_origins: [https://other.example]}",
    "cors: {allowed_origins: [https://other.example]}",
    "credentials: [{header: X-Token}, {header: Authorization}]",
    "issuers: [app]",
)


@pytest.mark.parametrize("proxy", PROXIES)
async def test_J33_a_setting_of_a_policy_opens_nothing(tmp_path: Path, proxy: str) -> None:
    """envoyproxy/gateway #8781: the policy of a route, made for another setting, removed the authentication."""
    demand = "require: {roles: {any_of: [admin]}}"
    listed = [
        f"  - {{name: p{number}, match: {{path: /p{number}/**}}, {demand}, {refinement}}}"
        for number, refinement in enumerate(REFINEMENTS)
    ]
    (tmp_path / "authgate.yaml").write_text(f"{ISSUER}policies:\n" + "\n".join(listed))
    outcomes = []
    async with serving(ENVIRON, file=str(tmp_path / "authgate.yaml")) as running:
        for number in range(len(REFINEMENTS)):
            forged = bearer_line(fresh(roles=["admin"], key=OTHER_SECRET))
            for lines in ((), (forged,), (bearer_line(fresh()),), (ADMIN,)):
                answer = await running.ask(proxy, *lines, uri=f"/p{number}/x")
                outcomes.append((answer.reason, bool(identities(answer))))
    every = [("no_credential", False), ("bad_signature", False), ("forbidden", False), ("", True)]
    assert outcomes == every * len(REFINEMENTS)


def problems_of(policy: str, folder: Path) -> Sequence[Problem]:
    """Return why a configuration with *policy* is refused."""
    (folder / "authgate.yaml").write_text(f"{ISSUER}policies:\n  - {policy}\n  - {{name: rest, require: signed_in}}\n")
    with pytest.raises(ConfigError) as error:
        prepare(load(str(folder / "authgate.yaml"), ENVIRON))
    return error.value.problems


@pytest.mark.parametrize("refinement", ["", *REFINEMENTS])
def test_J33_a_policy_that_does_not_say_who_may_pass_is_refused(tmp_path: Path, refinement: str) -> None:
    """There is no parent to take it from, so a setting can neither keep nor remove what another policy demands."""
    policy = f"{{name: child, match: {{path: /child/**}}{', ' if refinement else ''}{refinement}}}"
    assert [problem.setting for problem in problems_of(policy, tmp_path)] == ["policies[0]"]


@pytest.mark.parametrize("header", ["X-User-Id: claims.other", "x-user-id: claims.other"])
def test_J33_a_policy_cannot_redefine_a_header_of_all_policies(tmp_path: Path, header: str) -> None:
    policy = f"{{name: child, match: {{path: /child/**}}, require: signed_in, headers: {{{header}}}}}"
    assert problems_of(policy, tmp_path)
