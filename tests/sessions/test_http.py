"""Sessions from Better Auth over HTTP: the request, the responses that are accepted, and the messages."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from authgate.sessions import StoredRows, StoreFailed
from authgate.sessions._rows import MAX_ROWS_BYTES
from authgate.sessions.http import MAX_CONNECTIONS, HttpStore
from tests.support.get_session import COOKIE, PATH, GetSession, signed
from tests.support.store_lookups import ANSWER, failed, failure, find, question
from tests.support.waiting import until_async


def responding(server: GetSession, **response: Any) -> None:
    async def respond() -> web.StreamResponse:
        return web.Response(**response)

    server.respond = respond


# -- the request ------------------------------------------------------------------------------------------------------


async def test_only_the_cookie_and_the_clients_address_are_sent(server: GetSession, store: HttpStore) -> None:
    assert await store.find(question(client_ip="203.0.113.7")) == StoredRows(**ANSWER)
    [request] = server.requests
    assert (request.method, request.path_qs) == ("GET", f"{PATH}?disableRefresh=true")
    sent = dict(request.headers)
    assert sent.pop("User-Agent").startswith("AuthGate/")
    # the signature ends in "=" and may contain "+" and "/", which encodeURIComponent encodes
    encoded = signed("ada-1").replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    assert sent == {
        "Host": f"127.0.0.1:{server.port}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Cookie": f"{COOKIE}={encoded}",
        "X-Forwarded-For": "203.0.113.7",
    }


async def test_without_a_client_address_none_is_sent(server: GetSession, store: HttpStore) -> None:
    await find(store)
    assert "X-Forwarded-For" not in server.requests[0].headers


async def test_cookies_of_responses_are_never_sent_back(server: GetSession, store: HttpStore) -> None:
    for _ in range(3):
        await find(store)
    assert {request.headers["Cookie"].count("=") for request in server.requests} == {1}


async def test_a_proxy_in_the_environment_is_not_used(store: HttpStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert await find(store)


async def test_connections_are_reused_and_bounded(server: GetSession, store: HttpStore) -> None:
    for _ in range(5):
        await find(store)
    assert server.connections == 1
    server.gate.clear()
    asking = asyncio.gather(*(store.find(question()) for _ in range(3 * MAX_CONNECTIONS)))
    await until_async(lambda: len(server.requests) == 5 + MAX_CONNECTIONS)
    assert server.connections == MAX_CONNECTIONS
    server.gate.set()
    assert all(await asking)


async def test_the_query_of_the_configured_url_is_sent(server: GetSession) -> None:
    store = HttpStore(f"{server.url}?tenant=a%20b", COOKIE)
    assert await find(store)
    assert server.requests[0].path_qs == f"{PATH}?tenant=a+b&disableRefresh=true"
    assert store.where == server.url
    await store.close()


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "a\r\nX: y", "é", "a" * 300])
def test_an_invalid_cookie_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a cookie"):
        HttpStore("http://127.0.0.1/", name)


async def test_without_the_signed_cookie_no_request_is_sent(server: GetSession, store: HttpStore) -> None:
    with pytest.raises(StoreFailed, match="set the issuer's secret"):
        await store.find(question(signed_token=""))
    assert server.requests == []


# -- the response -----------------------------------------------------------------------------------------------------


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
async def test_the_pause_after_a_rate_limit_is_the_one_that_the_response_asks_for(
    headers: dict[str, str], seconds: float, server: GetSession, store: HttpStore
) -> None:
    responding(server, status=429, headers=headers)
    limited = await failed(store)
    assert limited.retry_after_seconds == seconds
    assert 'rateLimit.customRules["/get-session"] = false' in str(limited)


@pytest.mark.parametrize(
    ("status", "part"),
    [
        (401, "something in front of Better Auth answered"),
        (403, "something in front of Better Auth answered"),
        (404, "is the path right?"),
        (405, "is the path right?"),
        (500, "answers 500"),
        (503, "answers 503"),
        (204, "answers 204"),
    ],
)
async def test_another_status_is_a_failure_and_not_an_absent_session(
    status: int, part: str, server: GetSession, store: HttpStore
) -> None:
    responding(server, status=status, body=None if status == 204 else b"null")
    other = await failed(store)
    assert part in str(other)
    assert other.retry_after_seconds == 0
    server.respond = None
    assert await find(store)


async def test_a_redirect_is_not_followed(server: GetSession, store: HttpStore) -> None:
    responding(server, status=307, headers={"Location": "http://127.0.0.1:1/elsewhere"})
    assert "redirects to 'http://127.0.0.1:1/elsewhere' (307)" in await failure(store)


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
async def test_a_body_that_is_not_the_session_of_this_token_is_a_failure(
    name: str, server: GetSession, store: HttpStore
) -> None:
    responding(server, body=BODIES[name], content_type="application/json")
    await failure(store)
    server.respond = None
    assert await find(store)


@pytest.mark.parametrize("name", ["a session without its token", "no user", "an empty object"])
async def test_what_a_plugin_leaves_out_of_the_response_is_named_with_a_fix(
    name: str, server: GetSession, store: HttpStore
) -> None:
    responding(server, body=BODIES[name], content_type="application/json")
    message = await failure(store)
    assert "cache in front" not in message
    assert "customSession" in message
    assert ("session.token" in message) is (name == "a session without its token")


async def test_a_compressed_response_is_refused(server: GetSession, store: HttpStore) -> None:
    responding(server, body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert "is compressed ('gzip')" in await failure(store)


async def test_long_headers_are_accepted(server: GetSession, store: HttpStore) -> None:
    responding(server, body=json.dumps(ANSWER).encode(), headers={"Set-Auth-Jwt": "x" * 40_000})
    assert await find(store)
