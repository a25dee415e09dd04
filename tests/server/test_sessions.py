"""Sessions in a serving AuthGate: files and settings that change, a store that changes, floods, and what is told."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support import session_cookies as cookies
from tests.support.get_session import SECRET as OTHERS
from tests.support.get_session import GetSession, get_session, signed
from tests.support.serving import Served, exchange, head, read_answer, serving
from tests.support.tokens import OTHER_SECRET, SECRET
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = cookies.SESSION_TOKEN


def written(folder: Path, **settings: Any) -> str:
    issuer = {"name": "app", "preset": "better-auth", "cookies": {"session_token": cookies.COOKIES[0]}, **settings}
    path = folder / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": [issuer]}))
    return str(path)


def over_http(one: GetSession, **changes: Any) -> dict[str, Any]:
    """Return the settings of sessions that are looked up at *one* at every request."""
    sessions = {"check": "always", "cache_seconds": 0, "http": {"url": one.url}} | changes
    return {"secret": OTHERS.decode(), "allow_http": True, "sessions": sessions}


def row(token: str = TOKEN, **user: Any) -> dict[str, Any]:
    now = time.time()
    return {"session": cookies.session(token, now=now), "user": cookies.user(**user)}


def sound(secret: bytes = SECRET) -> tuple[str, str]:
    now = time.time()
    data = cookies.compact(cookies.payload(now), expires_at=now + 300, secret=secret)
    return cookies.cookie_line(data, token=cookies.signed(secret=secret))


def opaque(token: str = TOKEN) -> tuple[str, str]:
    return cookies.cookie_line(None, token=signed(token))


async def reason(served: Served, line: tuple[str, str]) -> str:
    answer = await served.ask("traefik", line)
    return answer.reason if answer.status != 200 else ",".join(answer.all("X-User-Id"))


async def admin(served: Served, page: str) -> str:
    return (await exchange(served.admin, head(page, [("Host", "localhost")]))).body.decode()


async def test_a_changed_secret_file_takes_over_and_the_old_secret_opens_nothing_more(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(SECRET)
    async with serving({}, file=written(tmp_path, secret_file=str(file))) as served:
        assert await reason(served, sound()) == "user-1"
        newer = tmp_path / "newer"
        newer.write_bytes(OTHER_SECRET + b"\n")
        newer.rename(file)
        await until_async(lambda: served.app.live.watched_keys["app/secret"].loads["changed"])
        assert await reason(served, sound()) == "bad_signature"
        assert await reason(served, sound(OTHER_SECRET)) == "user-1"
        file.write_bytes(b"short")  # a slip changes nothing
        await until_async(lambda: served.app.live.watched_keys["app/secret"].failure)
        assert await reason(served, sound(OTHER_SECRET)) == "user-1"


async def test_a_file_of_several_secrets_is_read_with_the_first_as_current(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_bytes(b"2:" + OTHER_SECRET + b",1:" + SECRET + b"\n")
    async with serving({}, file=written(tmp_path, secrets_file=str(file), old_secrets_verify=True)) as served:
        assert await reason(served, sound(OTHER_SECRET)) == "user-1"
        assert await reason(served, sound()) == "user-1"
        file.write_bytes(b"3:" + OTHER_SECRET)
        await until_async(lambda: served.app.live.watched_keys["app/secret"].loads["changed"])
        assert await reason(served, sound()) == "bad_signature"


async def test_a_reload_asks_the_new_store_and_lets_go_of_the_old_one(tmp_path: Path) -> None:
    async with get_session() as one, get_session() as other:
        one.sessions[TOKEN], other.sessions[TOKEN] = row(), row(id="user-1", name="of the other")
        file = written(tmp_path, **over_http(one))
        async with serving({}, file=file, poll_seconds=0.05) as served:
            assert await reason(served, opaque()) == "user-1"
            before = served.app.live.sessions["app"]
            written(tmp_path, **over_http(other))
            await until_async(lambda: served.app.live.sessions["app"] is not before)
            answer = await served.ask("traefik", opaque())
            assert answer.all("X-User-Name") == ["of the other"]
            await until_async(lambda: one.connections == 0)


async def test_a_reload_that_changes_nothing_about_sessions_keeps_what_is_remembered(tmp_path: Path) -> None:
    async with get_session() as one:
        one.sessions[TOKEN] = row()
        file = written(tmp_path, **over_http(one, cache_seconds=60))
        async with serving({}, file=file, poll_seconds=0.05) as served:
            assert await reason(served, opaque()) == "user-1"
            before = served.app.live
            (tmp_path / "authgate.yaml").write_text((tmp_path / "authgate.yaml").read_text() + "leeway_seconds: 5\n")
            await until_async(lambda: served.app.live is not before)
            assert await reason(served, opaque()) == "user-1"
            assert len(one.requests) == 1


async def test_requests_that_wait_for_the_store_are_answered_across_a_reload(tmp_path: Path) -> None:
    async with get_session() as one, get_session() as other:
        one.sessions[TOKEN] = other.sessions[TOKEN] = row()
        file = written(tmp_path, **over_http(one))
        async with serving({}, file=file, poll_seconds=0.05) as served:
            one.gate.clear()
            waiting = asyncio.ensure_future(reason(served, opaque()))
            await until_async(lambda: one.requests)
            written(tmp_path, **over_http(other))
            await until_async(lambda: other.url in served.app.live.sessions["app"].store.where)
            one.gate.set()
            assert await waiting == "user-1"


async def test_10_000_bad_cookies_ask_the_store_nothing_and_leave_nothing_in_memory(tmp_path: Path) -> None:
    async with get_session() as one:
        one.sessions[TOKEN] = row()
        async with serving({}, file=written(tmp_path, **over_http(one))) as served:
            assert await reason(served, opaque()) == "user-1"
            proofs = served.app.proofs.entries
            refused = {"bad_signature", "malformed_token", "no_credential", "ambiguous_credential"}
            async with asyncio.TaskGroup() as tasks:
                sending = [tasks.create_task(_bad_ones(served, 1250)) for _ in range(8)]
            assert {reason for found in (task.result() for task in sending) for reason in found} <= refused
            assert len(one.requests) == 1
            assert served.app.proofs.entries == proofs
            assert served.app.live.sessions["app"].entries == 0
            assert await reason(served, opaque()) == "user-1"


async def _bad_ones(served: Served, count: int) -> set[str]:
    host, _, port = served.auth.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    found = set()
    for number in range(count):
        token, data = secrets.token_urlsafe(24), secrets.token_urlsafe(60)
        values = [cookies.signed(token, b"k" * 32) if number % 2 else token, f"{token}.{secrets.token_urlsafe(33)}="]
        lines = [("Host", "authgate"), *_traefik(), cookies.cookie_line(data, token=values[number % 3 == 0])]
        writer.write(head("/auth/traefik", lines))
        answer = await _next(reader)
        found.add(answer)
    writer.close()
    return found


def _traefik() -> list[tuple[str, str]]:
    values = {"Method": "GET", "Proto": "https", "Host": "app.example.com", "Uri": "/"}
    return [(f"X-Forwarded-{name}", value) for name, value in values.items()]


async def _next(reader: asyncio.StreamReader) -> str:
    answer = await read_answer(reader)
    assert answer.status != 200
    return answer.reason


async def test_a_flood_of_unknown_raw_tokens_is_bounded_and_does_not_cost_the_others_their_sessions(
    tmp_path: Path,
) -> None:
    async with get_session() as one:
        one.sessions[TOKEN] = row()
        file = written(tmp_path, bearer="raw", **over_http(one, check="fallback", cache_seconds=60))
        async with serving({}, file=file) as served:
            assert await reason(served, opaque()) == "user-1"
            sessions, at_once = served.app.live.sessions["app"], []
            one.gate.clear()

            async def ask(number: int) -> str:
                return await reason(served, ("Authorization", f"Bearer unknown{number:026}"))

            async with asyncio.TaskGroup() as tasks:
                asking = [tasks.create_task(ask(number)) for number in range(400)]
                await until_async(lambda: sessions.waiting >= 256)
                at_once.append(len(one.requests) - 1)
                assert await reason(served, opaque()) == "user-1"  # remembered, and not pushed out
                one.gate.set()
            outcomes = [task.result() for task in asking]
            assert {*outcomes} == {"session_not_found", "sessions_unavailable"}
            assert at_once[0] <= 16
            assert len(one.requests) <= 1 + 256
            asked = len(one.requests)
            assert await reason(served, opaque()) == "user-1"
            assert len(one.requests) == asked


@pytest.mark.parametrize("state", ["up", "down"])
async def test_what_is_told_of_the_store_on_the_admin_port(tmp_path: Path, state: str) -> None:
    async with get_session() as one:
        one.sessions[TOKEN] = row()
        async with serving({}, file=written(tmp_path, **over_http(one))) as served:
            if state == "down":
                await one.stop()
            for line in (opaque(), opaque("b" * 32)):
                await reason(served, line)
            ready: dict[str, Any] = json.loads(await admin(served, "/readyz"))
            metrics = await served.metrics()
            up = state == "up"
            assert ready["ready"]  # cookies can still be verified
            assert (ready["issuers"]["app"]["sessions"] == "ready") is up
            assert f'authgate_session_store_up{{issuer="app"}} {float(up)}' in metrics
            found, failed = ("found", "not_found") if up else ("failed", "failed")
            assert f'authgate_session_lookups_total{{issuer="app",outcome="{found}"}} {1.0 if up else 2.0}' in metrics
            assert f'outcome="{failed}"}} {1.0 if up else 2.0}' in metrics
            report = await admin(served, "/keys")
            assert not [text for text in (TOKEN, signed(TOKEN), OTHERS.decode()) if text in metrics + report]
            proofs = [key["proofs"] for key in json.loads(report)["issuers"]["app/secret"]["keys"]]
            assert len(proofs) == 2


async def test_a_session_cookie_of_another_site_is_refused_for_unsafe_methods(tmp_path: Path) -> None:
    async with serving({}, file=written(tmp_path, secret=SECRET.decode())) as served:
        for method, origin, expected in (
            ("POST", "https://evil.example", "csrf"),
            ("POST", "https://app.example.com", "user-1"),
            ("GET", "https://evil.example", "user-1"),
        ):
            answer = await served.ask("traefik", sound(), ("Origin", origin), method=method)
            assert (answer.reason or ",".join(answer.all("X-User-Id"))) == expected
