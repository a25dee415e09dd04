"""Sessions in a serving AuthGate: changed secrets, reloads, floods, reports."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support import session_cookies as cookies
from tests.support.get_session import SECRET as STORE_SECRET
from tests.support.get_session import GetSession, get_session, signed
from tests.support.serving import Served, described, exchange, head, read_answer, serving
from tests.support.tokens import OTHER_SECRET, SECRET
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = cookies.SESSION_TOKEN


def write_config(folder: Path, **settings: Any) -> str:
    issuer = {"name": "app", "preset": "better-auth", "cookies": {"session_token": cookies.COOKIES[0]}, **settings}
    path = folder / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": [issuer]}))
    return str(path)


def over_http(store: GetSession, **changes: Any) -> dict[str, Any]:
    """Return the settings for a lookup at *store* at every request."""
    sessions = {"check": "always", "cache_seconds": 0, "http": {"url": store.url}} | changes
    return {"secret": STORE_SECRET.decode(), "allow_http": True, "sessions": sessions}


def row(token: str = TOKEN, **user: Any) -> dict[str, Any]:
    now = time.time()
    return {"session": cookies.session(token, now=now), "user": cookies.user(**user)}


def session_cookies(secret: bytes = SECRET) -> tuple[str, str]:
    now = time.time()
    data = cookies.compact(cookies.payload(now), expires_at=now + 300, secret=secret)
    return cookies.cookie_line(data, token=cookies.signed(secret=secret))


def session_token_cookie(token: str = TOKEN) -> tuple[str, str]:
    return cookies.cookie_line(None, token=signed(token))


async def outcome(served: Served, line: tuple[str, str]) -> str:
    """Return the user id of the answer, or the reason of the refusal."""
    answer = await served.ask("traefik", line)
    return answer.reason if answer.status != 200 else ",".join(answer.all("X-User-Id"))


async def admin(served: Served, page: str) -> str:
    return (await exchange(served.admin, head(page, [("Host", "localhost")]))).body.decode()


async def test_after_a_secret_file_has_changed_only_the_new_secret_opens_cookies(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(SECRET)
    async with serving({}, file=write_config(tmp_path, secret_file=str(file))) as served:
        assert await outcome(served, session_cookies()) == "user-1"
        new_file = tmp_path / "new"
        new_file.write_bytes(OTHER_SECRET + b"\n")
        new_file.rename(file)
        await until_async(lambda: served.app.live.watched_keys["app/secret"].loads["changed"])
        assert await outcome(served, session_cookies()) == "bad_signature"
        assert await outcome(served, session_cookies(OTHER_SECRET)) == "user-1"
        file.write_bytes(b"short")  # a weak secret changes nothing
        await until_async(lambda: served.app.live.watched_keys["app/secret"].failure)
        assert await outcome(served, session_cookies(OTHER_SECRET)) == "user-1"


async def test_every_secret_in_a_file_verifies_until_it_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_bytes(b"2:" + OTHER_SECRET + b",1:" + SECRET + b"\n")
    async with serving({}, file=write_config(tmp_path, secrets_file=str(file), old_secrets_verify=True)) as served:
        assert await outcome(served, session_cookies(OTHER_SECRET)) == "user-1"
        assert await outcome(served, session_cookies()) == "user-1"
        file.write_bytes(b"3:" + OTHER_SECRET)
        await until_async(lambda: served.app.live.watched_keys["app/secret"].loads["changed"])
        assert await outcome(served, session_cookies()) == "bad_signature"


async def test_a_reload_asks_the_new_store_and_disconnects_from_the_old_one(tmp_path: Path) -> None:
    async with get_session() as store, get_session() as new_store:
        store.sessions[TOKEN], new_store.sessions[TOKEN] = row(), row(id="user-1", name="in the new store")
        file = write_config(tmp_path, **over_http(store))
        async with serving({}, file=file, poll_seconds=0.05) as served:
            assert await outcome(served, session_token_cookie()) == "user-1"
            before = served.app.live.sessions["app"]
            write_config(tmp_path, **over_http(new_store))
            await until_async(lambda: served.app.live.sessions["app"] is not before)
            answer = await served.ask("traefik", session_token_cookie())
            assert answer.all("X-User-Name") == ["in the new store"]
            await until_async(lambda: store.connections == 0)


async def test_a_reload_that_changes_no_session_setting_keeps_cached_sessions(tmp_path: Path) -> None:
    async with get_session() as store:
        store.sessions[TOKEN] = row()
        file = write_config(tmp_path, **over_http(store, cache_seconds=60))
        async with serving({}, file=file, poll_seconds=0.05) as served:
            assert await outcome(served, session_token_cookie()) == "user-1"
            before = served.app.live
            (tmp_path / "authgate.yaml").write_text((tmp_path / "authgate.yaml").read_text() + "leeway_seconds: 5\n")
            await until_async(lambda: served.app.live is not before)
            assert await outcome(served, session_token_cookie()) == "user-1"
            assert len(store.requests) == 1


async def test_a_request_that_waits_for_the_store_is_answered_across_a_reload(tmp_path: Path) -> None:
    async with get_session() as store, get_session() as new_store:
        store.sessions[TOKEN] = new_store.sessions[TOKEN] = row()
        file = write_config(tmp_path, **over_http(store))
        async with serving({}, file=file, poll_seconds=0.05) as served:
            store.gate.clear()
            waiting = asyncio.ensure_future(outcome(served, session_token_cookie()))
            await until_async(lambda: store.requests)
            write_config(tmp_path, **over_http(new_store))
            await until_async(lambda: new_store.url in served.app.live.sessions["app"].store.where)
            store.gate.set()
            assert await waiting == "user-1"


async def test_10_000_bad_cookies_cause_no_lookup_and_no_cache_entry(tmp_path: Path) -> None:
    async with get_session() as store:
        store.sessions[TOKEN] = row()
        async with serving({}, file=write_config(tmp_path, **over_http(store))) as served:
            assert await outcome(served, session_token_cookie()) == "user-1"
            proofs = served.app.live.proofs.entries
            refused = {"bad_signature", "malformed_token", "no_credential", "ambiguous_credential"}
            async with asyncio.TaskGroup() as tasks:
                sending = [tasks.create_task(_send_bad_cookies(served, 1250)) for _ in range(8)]
            assert {reason for task in sending for reason in task.result()} <= refused
            assert len(store.requests) == 1
            assert served.app.live.proofs.entries == proofs
            assert len(served.app.live.sessions["app"].answers.sessions) == 0
            assert await outcome(served, session_token_cookie()) == "user-1"


async def _send_bad_cookies(served: Served, count: int) -> set[str]:
    """Send *count* bad cookies on one connection. Return the reasons of the refusals."""
    host, _, port = served.auth.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    reasons = set()
    for number in range(count):
        token, data = secrets.token_urlsafe(24), secrets.token_urlsafe(60)
        values = [cookies.signed(token, b"k" * 32) if number % 2 else token, f"{token}.{secrets.token_urlsafe(33)}="]
        lines = [("Host", "authgate"), *described("traefik"), cookies.cookie_line(data, token=values[number % 3 == 0])]
        writer.write(head("/auth/traefik", lines))
        answer = await read_answer(reader)
        assert answer.status != 200
        reasons.add(answer.reason)
    writer.close()
    return reasons


async def test_a_flood_of_unknown_raw_tokens_is_bounded_and_evicts_no_session(
    tmp_path: Path,
) -> None:
    async with get_session() as store:
        store.sessions[TOKEN] = row()
        file = write_config(tmp_path, bearer="raw", **over_http(store, check="fallback", cache_seconds=60))
        async with serving({}, file=file) as served:
            assert await outcome(served, session_token_cookie()) == "user-1"
            sessions, lookups_at_once = served.app.live.sessions["app"], []
            store.gate.clear()

            async def ask_unknown(number: int) -> str:
                return await outcome(served, ("Authorization", f"Bearer unknown{number:026}"))

            async with asyncio.TaskGroup() as tasks:
                asking = [tasks.create_task(ask_unknown(number)) for number in range(400)]
                await until_async(lambda: sessions.waiting >= 256)
                lookups_at_once.append(len(store.requests) - 1)
                assert await outcome(served, session_token_cookie()) == "user-1"  # cached, and not evicted
                store.gate.set()
            outcomes = [task.result() for task in asking]
            assert {*outcomes} == {"session_not_found", "sessions_unavailable"}
            assert lookups_at_once[0] <= 16
            assert len(store.requests) <= 1 + 256
            asked = len(store.requests)
            assert await outcome(served, session_token_cookie()) == "user-1"
            assert len(store.requests) == asked


@pytest.mark.parametrize("state", ["up", "down"])
async def test_the_admin_port_reports_the_state_of_the_store_and_no_secret(tmp_path: Path, state: str) -> None:
    async with get_session() as store:
        store.sessions[TOKEN] = row()
        async with serving({}, file=write_config(tmp_path, **over_http(store))) as served:
            if state == "down":
                await store.stop()
            for line in (session_token_cookie(), session_token_cookie("b" * 32)):
                await outcome(served, line)
            ready: dict[str, Any] = json.loads(await admin(served, "/readyz"))
            metrics = await served.metrics()
            up = state == "up"
            assert ready["ready"]  # cookies can still be verified
            assert (ready["issuers"]["app"]["sessions"] == "ready") is up
            assert f'authgate_session_store_up{{issuer="app"}} {float(up)}' in metrics
            known, unknown = ("found", "not_found") if up else ("failed", "failed")
            assert f'authgate_session_lookups_total{{issuer="app",outcome="{known}"}} {1.0 if up else 2.0}' in metrics
            assert f'outcome="{unknown}"}} {1.0 if up else 2.0}' in metrics
            report = await admin(served, "/keys")
            assert not [
                secret for secret in (TOKEN, signed(TOKEN), STORE_SECRET.decode()) if secret in metrics + report
            ]
            proofs = [key["proofs"] for key in json.loads(report)["issuers"]["app/secret"]["keys"]]
            assert len(proofs) == 2


async def test_a_session_cookie_on_an_unsafe_request_from_another_site_is_refused(tmp_path: Path) -> None:
    async with serving({}, file=write_config(tmp_path, secret=SECRET.decode())) as served:
        for method, origin, expected in (
            ("POST", "https://evil.example", "csrf"),
            ("POST", "https://app.example.com", "user-1"),
            ("GET", "https://evil.example", "user-1"),
        ):
            answer = await served.ask("traefik", session_cookies(), ("Origin", origin), method=method)
            assert (answer.reason or ",".join(answer.all("X-User-Id"))) == expected
