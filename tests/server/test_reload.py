"""What a reload changes: every setting that needs no restart."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import get_session
from tests.support import session_cookies as cookies
from tests.support.reloadable import LOCAL, ReloadableServer, local_token, reloadable_server
from tests.support.serving import ENVIRON, bearer_line, fresh, serving
from tests.support.tokens import OTHER_SECRET, SECRET

if TYPE_CHECKING:
    from pathlib import Path

EVIL = ("Origin", "https://evil.example")
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], int, int]] = {
    # the changed settings, the request, its status before the reload and after it
    "audiences": ({"issuers": [LOCAL | {"audiences": ["other"]}]}, {}, 200, 401),
    "issuer": ({"issuers": [LOCAL | {"issuer": "https://moved.example"}]}, {}, 200, 401),
    "algorithms": ({"issuers": [LOCAL | {"algorithms": ["HS512"]}]}, {}, 200, 401),
    "required_claims": ({"issuers": [LOCAL | {"required_claims": ["nonce"]}]}, {}, 200, 401),
    "key": ({"issuers": [LOCAL | {"secret_env": "OTHER"}]}, {}, 200, 401),
    "leeway_seconds": ({"leeway_seconds": 0}, {"exp": -20}, 200, 401),
    "credentials": ({"credentials": [{"cookie": "session"}]}, {}, 200, 401),
    "another cookie": ({"credentials": [{"cookie": "session"}]}, {"cookie": "session"}, 401, 200),
    "csrf": ({"csrf": {"mode": "off"}}, {"cookie": "access_token", "method": "POST", "origin": True}, 403, 200),
    "csrf.allowed_origins": (
        {"csrf": {"allowed_origins": ["https://evil.example"]}},
        {"cookie": "access_token", "method": "POST", "origin": True},
        403,
        200,
    ),
    "trusted_proxies": ({"trusted_proxies": ["192.0.2.1"]}, {}, 200, 403),
}


@pytest.mark.parametrize("setting", CHANGES)
async def test_a_changed_setting_takes_effect_and_so_does_changing_it_back(
    tmp_path: Path, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cached proof does not outlive the settings under which it was made (J22)."""
    monkeypatch.setitem(ENVIRON, "OTHER", OTHER_SECRET.decode())
    changed, request, before, after = CHANGES[setting]
    now = int(time.time())
    token = local_token(exp=now + request.get("exp", 900))
    lines = [("Cookie", f"{request['cookie']}={token}")] if "cookie" in request else [bearer_line(token)]
    if "origin" in request:
        lines.append(EVIL)

    async def status() -> int:
        return (await server.served.ask("nginx", *lines, method=request.get("method", "GET"))).status

    async with reloadable_server(tmp_path) as server:
        assert [await status() for _ in range(2)] == [before] * 2
        server.write(
            *changed.get("issuers", ()), **{name: value for name, value in changed.items() if name != "issuers"}
        )
        assert await server.reload() == ""
        assert [await status() for _ in range(2)] == [after] * 2
        server.write()
        assert await server.reload() == ""
        assert await status() == before


async def test_a_cached_session_is_not_taken_for_a_cookie_that_belongs_to_another_issuer_now(tmp_path: Path) -> None:
    def issuers(of_shop: str, of_admin: str) -> list[dict[str, Any]]:
        return [
            {"name": name, "preset": "better-auth", "secret": secret.decode(), "cookies": {"session_token": cookie}}
            for name, secret, cookie in (("shop", SECRET, of_shop), ("admin", OTHER_SECRET, of_admin))
        ]

    now = time.time()
    cookie = f"x.session_token={cookies.signed()}; x.session_data="
    cookie += cookies.compact(cookies.payload(now), expires_at=now + 300)

    async def status() -> int:
        return (await server.served.ask("nginx", ("Cookie", cookie))).status

    admin = {"name": "admin", "require": "signed_in", "credentials": [{"session": "admin"}]}
    async with reloadable_server(tmp_path, *issuers("x.session_token", "y.session_token")) as server:
        assert await status() == 200
        server.write(*issuers("z.session_token", "x.session_token"), policies=[admin])
        assert await server.reload() == ""
        assert await status() == 401


async def test_a_reload_changes_the_identity_headers(tmp_path: Path) -> None:
    async with reloadable_server(tmp_path) as server:
        server.write(headers={"X-Subject": "subject"})
        assert await server.reload() == ""
        answer = await server.served.ask("nginx", bearer_line(local_token()))
        assert answer.all("X-Subject") == ["user-1"]
        assert answer.all("X-User-Id") == []


async def test_a_reload_may_read_a_claim_that_cached_proofs_and_sessions_lack(tmp_path: Path) -> None:
    async with get_session.get_session() as store, reloadable_server(tmp_path) as server:
        user = cookies.user(plan="pro")
        store.sessions[cookies.SESSION_TOKEN] = {"session": cookies.session(now=time.time()), "user": user}
        sessions = {"check": "always", "cache_seconds": 60, "http": {"url": store.url}}
        app = {"name": "app", "preset": "better-auth", "secret": get_session.SECRET.decode(), "allow_http": True}
        app |= {"cookies": {"session_token": cookies.COOKIES[0]}, "sessions": sessions, "subject_prefix": "app:"}
        lines = (
            bearer_line(local_token(plan="pro")),
            cookies.cookie_line(token=get_session.signed(cookies.SESSION_TOKEN)),
        )
        for path in (None, "claims.plan", "claims.user.plan", None):
            server.write(LOCAL, app, headers={"X-User-Id": "subject"} | ({"X-Plan": path} if path else {}))
            assert await server.reload() == ""
            plans = []
            for line in (*lines, *lines):
                answer = await server.served.ask("nginx", line)
                assert answer.status == 200, (line[0], answer)
                plans.append(answer.all("X-Plan"))
            expected = {"claims.plan": [["pro"], [""]], "claims.user.plan": [[""], ["pro"]], None: [[], []]}[path]
            assert plans == expected * 2
        assert server.served.app.live.proofs.hits > 0
        assert server.served.app.live.sessions["app"].answers.sessions.hits > 0


async def test_a_reload_changes_the_memory_of_the_caches_and_drops_the_proofs_of_issuers_that_left(
    tmp_path: Path,
) -> None:
    async with reloadable_server(tmp_path) as server:
        proofs = server.served.app.live.proofs
        await server.served.ask("nginx", bearer_line(local_token()))
        server.write(limits={"cache_megabytes": 8})
        assert await server.reload() == ""
        assert "authgate_cache_limit_bytes 8.388608e+06" in await server.served.metrics()
        assert server.served.app.live.proofs is proofs
        assert proofs.entries == 1
        server.write(LOCAL | {"name": "renamed"})
        assert await server.reload() == ""
        assert (proofs.by_issuer.keys(), proofs.entries, proofs.budget.bytes) == ({"renamed"}, 0, 0)


async def test_a_reload_can_turn_on_the_log_of_allowed_requests(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with reloadable_server(tmp_path) as server:
        assert await server.status(local_token()) == 200
        assert "allow" not in caplog.messages
        server.write(log={"allowed": True})
        assert await server.reload() == ""
        assert await server.status(local_token()) == 200
        assert "allow" in caplog.messages


async def test_without_a_file_a_reload_reads_the_environment(tmp_path: Path) -> None:
    async with serving(ENVIRON) as served:
        server = ReloadableServer(tmp_path, served)
        assert await server.reload() == ""
        assert await server.status(fresh()) == 200
