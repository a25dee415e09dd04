"""Sessions by asking Better Auth: what is sent, what of its answers is believed, and what operators are told."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from authgate.core.lookups import FindSession
from authgate.sessions import StoredRows, StoreFailed
from authgate.sessions._rows import MAX_ROWS_BYTES
from authgate.sessions.http import MAX_CONNECTIONS, HttpStore
from tests.support.certificates import Authority
from tests.support.get_session import COOKIE, PATH, GetSession, get_session, signed
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TOKEN = "7WcBfJtIM4WHBmMtyFzRBm6QBVaZatMa"
ANSWER: dict[str, Any] = {"session": {"token": TOKEN, "userId": "ada"}, "user": {"id": "ada"}}


@pytest.fixture
async def server() -> AsyncIterator[GetSession]:
    async with get_session() as one:
        one.sessions[TOKEN] = ANSWER
        yield one


@pytest.fixture
async def store(server: GetSession) -> AsyncIterator[HttpStore]:
    one = HttpStore(server.url, COOKIE)
    yield one
    await one.close()


def asked(client_ip: str = "") -> FindSession:
    return FindSession(issuer_name="app", token=TOKEN, signed_token=signed(TOKEN), client_ip=client_ip)


async def find(store: HttpStore) -> StoredRows | None:
    async with asyncio.timeout(20):
        return await store.find(asked())


async def failure(store: HttpStore) -> StoreFailed:
    with pytest.raises(StoreFailed) as failed:
        await find(store)
    assert store.where in str(failed.value)
    assert TOKEN not in str(failed.value)
    return failed.value


def responding(server: GetSession, **response: Any) -> None:
    async def respond() -> web.StreamResponse:
        return web.Response(**response)

    server.respond = respond


# -- what is sent -----------------------------------------------------------------------------------------------------


async def test_nothing_is_sent_but_the_cookie_and_where_the_client_is(server: GetSession, store: HttpStore) -> None:
    assert await store.find(asked("203.0.113.7")) == StoredRows(session=ANSWER["session"], user=ANSWER["user"])
    [request] = server.requests
    assert (request.method, request.path_qs) == ("GET", f"{PATH}?disableRefresh=true")
    sent = dict(request.headers)
    assert sent.pop("User-Agent").startswith("AuthGate/")
    # the signature ends in "=" and may hold "+" and "/": encodeURIComponent's way
    encoded = signed(TOKEN).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    assert sent == {
        "Host": f"127.0.0.1:{server.port}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Cookie": f"{COOKIE}={encoded}",
        "X-Forwarded-For": "203.0.113.7",
    }


async def test_no_client_address_is_made_up(server: GetSession, store: HttpStore) -> None:
    await find(store)
    assert "X-Forwarded-For" not in server.requests[0].headers


async def test_cookies_of_answers_are_never_sent_back(server: GetSession, store: HttpStore) -> None:
    for _ in range(3):
        await find(store)
    assert {request.headers["Cookie"].count("=") for request in server.requests} == {1}


async def test_a_proxy_of_the_environment_is_not_asked(store: HttpStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert await find(store)


async def test_connections_are_kept_and_bounded(server: GetSession, store: HttpStore) -> None:
    for _ in range(5):
        await find(store)
    assert server.connections == 1
    server.gate.clear()
    asking = asyncio.gather(*(store.find(asked()) for _ in range(3 * MAX_CONNECTIONS)))
    await until_async(lambda: len(server.requests) == 5 + MAX_CONNECTIONS)
    assert server.connections == MAX_CONNECTIONS
    server.gate.set()
    assert all(await asking)


async def test_a_query_of_the_configured_url_stays(server: GetSession) -> None:
    store = HttpStore(f"{server.url}?tenant=a%20b", COOKIE)
    assert await find(store)
    assert server.requests[0].path_qs == f"{PATH}?tenant=a+b&disableRefresh=true"
    assert store.where == server.url
    await store.close()


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "a\r\nX: y", "é", "a" * 300])
def test_what_cannot_name_a_cookie_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a cookie"):
        HttpStore("http://127.0.0.1/", name)


async def test_without_the_signed_cookie_nothing_is_asked(server: GetSession, store: HttpStore) -> None:
    with pytest.raises(StoreFailed, match="set the secret"):
        await store.find(FindSession(issuer_name="app", token=TOKEN))
    assert server.requests == []


# -- what is answered -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"X-Retry-After": "7"}, 7),
        ({"Retry-After": "8"}, 8),
        ({"X-Retry-After": "7", "Retry-After": "8"}, 7),
        ({"X-Retry-After": "0"}, 1),
        ({"X-Retry-After": "-5"}, 10),
        ({"X-Retry-After": "9" * 400}, 999_999),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 10),
        ({}, 10),
    ],
)
async def test_a_rate_limit_says_how_long_to_wait(
    headers: dict[str, str], seconds: float, server: GetSession, store: HttpStore
) -> None:
    responding(server, status=429, headers=headers)
    failed = await failure(store)
    assert failed.retry_after_seconds == seconds
    assert 'rateLimit.customRules["/get-session"] = false' in str(failed)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "something in front of it answers"),
        (403, "something in front of it answers"),
        (404, "is that its path?"),
        (405, "is that its path?"),
        (500, "answers 500"),
        (503, "answers 503"),
        (204, "answers 204"),
    ],
)
async def test_another_status_is_a_failure_and_no_absent_session(
    status: int, said: str, server: GetSession, store: HttpStore
) -> None:
    responding(server, status=status, body=None if status == 204 else b"null")
    failed = await failure(store)
    assert said in str(failed)
    assert failed.retry_after_seconds == 0
    server.respond = None
    assert await find(store)


async def test_a_redirect_is_not_followed(server: GetSession, store: HttpStore) -> None:
    responding(server, status=307, headers={"Location": "http://127.0.0.1:1/elsewhere"})
    assert "redirects to 'http://127.0.0.1:1/elsewhere' (307)" in str(await failure(store))


OTHER = {"session": {"token": "another"}, "user": {"id": "eve"}}
BODIES = {
    "html": b"<!doctype html>",
    "nothing": b"",
    "a number": b"1",
    "a text": b'"null"',
    "a list": b"[]",
    "an empty object": b"{}",
    "no user": json.dumps({"session": ANSWER["session"]}).encode(),
    "user null": json.dumps({**ANSWER, "user": None}).encode(),
    "session a list": json.dumps({**ANSWER, "session": []}).encode(),
    "a member twice": json.dumps(ANSWER).encode()[:-1] + b', "user": {"id": "eve"}}',
    "an inner member twice": b'{"session": {"token": "x", "token": "y"}, "user": {}}',
    "NaN": b'{"session": {"x": NaN}, "user": {}}',
    "beyond a double": b'{"session": {"x": 1e999}, "user": {}}',
    "not UTF-8": b'{"session": {"x": "\xff"}, "user": {}}',
    "UTF-16": json.dumps(ANSWER).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(ANSWER).encode(),
    "nested": b'{"session": {"x": ' + b"[" * 40 + b"]" * 40 + b'}, "user": {}}',
    "nested deeply": b"[" * 100_000,
    "another's session": json.dumps(OTHER).encode(),
    "a session without its token": json.dumps({**ANSWER, "session": {"userId": "ada"}}).encode(),
    "too long": json.dumps({**ANSWER, "x": "x" * MAX_ROWS_BYTES}).encode(),
    "cut off": json.dumps(ANSWER).encode()[:-1],
}


@pytest.mark.parametrize("name", BODIES)
async def test_what_is_no_session_of_this_token_is_a_failure(name: str, server: GetSession, store: HttpStore) -> None:
    responding(server, body=BODIES[name], content_type="application/json")
    await failure(store)
    server.respond = None
    assert await find(store)


async def test_a_compressed_answer_is_refused(server: GetSession, store: HttpStore) -> None:
    responding(server, body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert "is compressed ('gzip'), which was not asked for" in str(await failure(store))


async def test_an_answer_without_an_end_is_broken_off(server: GetSession, store: HttpStore) -> None:
    async def pour() -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(server.requests[-1])
        while True:
            await response.write(b" " * 65536)

    server.respond = pour
    assert f"more than {MAX_ROWS_BYTES} bytes" in str(await failure(store))


async def test_long_headers_are_read(server: GetSession, store: HttpStore) -> None:
    responding(server, body=json.dumps(ANSWER).encode(), headers={"Set-Auth-Jwt": "x" * 40_000})
    assert await find(store)


# -- TLS --------------------------------------------------------------------------------------------------------------


def context(authority: Authority, folder: Path, name: str = "127.0.0.1") -> ssl.SSLContext:
    authority.issue(name).write(folder)
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return made


async def test_only_the_authorities_of_ca_file_are_trusted_and_the_file_is_read_again(tmp_path: Path) -> None:
    authority, ca_file = Authority(), tmp_path / "ca.pem"
    ca_file.write_bytes(Authority().pem)
    async with get_session(context(authority, tmp_path)) as server:
        server.sessions[TOKEN] = ANSWER
        store = HttpStore(server.url, COOKIE, ca_file=str(ca_file))
        assert "its certificate is not trusted" in str(await failure(store))
        ca_file.write_bytes(authority.pem)
        assert await find(store)
        await store.close()
        untrusting = HttpStore(server.url, COOKIE)
        assert str(await failure(untrusting)).endswith("for a private authority set ca_file")
        await untrusting.close()
        assert len(server.requests) == 1


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    authority, ca_file = Authority(), tmp_path / "ca.pem"
    ca_file.write_bytes(authority.pem)
    async with get_session(context(authority, tmp_path, "other.example")) as server:
        store = HttpStore(server.url, COOKIE, ca_file=str(ca_file))
        assert "certificate is not valid for '127.0.0.1'" in str(await failure(store))
        await store.close()


async def test_a_ca_file_that_cannot_be_read_is_told(server: GetSession, tmp_path: Path) -> None:
    store = HttpStore(server.url.replace("http:", "https:"), COOKIE, ca_file=str(tmp_path / "none"))
    with pytest.raises(StoreFailed, match="ca_file: cannot read"):
        await find(store)
    await store.close()


async def test_a_name_that_nobody_knows_is_told() -> None:
    store = HttpStore("http://better-auth.invalid/api/auth/get-session", COOKIE)
    assert "the name better-auth.invalid cannot be looked up" in str(await failure(store))
    await store.close()
