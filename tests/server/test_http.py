"""The auth port: which paths it answers, which peers it trusts, and AuthGate's own requests."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from authgate.config.load import load
from authgate.server.limits import Limits
from authgate.server.listener import listening
from authgate.wiring import build, prepare
from tests.server.conftest import ENVIRON, SUBREQUEST, exchange, status_of
from tests.support.serving import ENVIRON as SERVED
from tests.support.serving import bearer_line, fresh
from tests.support.serving import serving as serving_both_ports
from tests.support.tokens import mint

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.server.lane import FastLane

pytestmark = pytest.mark.usefixtures("lanes")


async def test_the_lane_answers_what_these_tests_ask_with_it(serving: Any, lanes: list[FastLane]) -> None:
    async with serving() as port:
        for _ in range(3):
            assert status_of(await exchange(port, SUBREQUEST + b"Connection: close\r\n\r\n")) == 401
    assert [lane.answered for lane in lanes] in ([3], [])


async def test_an_unknown_path_is_answered_404_and_the_endpoints_are_named(serving: Any) -> None:
    async with serving() as port:
        reply = await exchange(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert status_of(reply) == 404
    assert b"/auth/nginx, /auth/traefik" in reply


async def test_the_peer_of_a_unix_socket_is_trusted(tmp_path: Path) -> None:
    path = tmp_path / "authgate.sock"
    environ = ENVIRON | {"AUTHGATE_LISTEN": f"unix:{path}", "AUTHGATE_TRUSTED_PROXIES": "192.0.2.1"}
    app = build(prepare(load(None, environ)))
    for _ in range(2):  # the second time, the socket file of the first still exists
        async with listening(f"unix:{path}", app.answer):
            reader, writer = await asyncio.open_unix_connection(path)
            token = mint({"sub": "u", "aud": "tasks", "exp": 4_000_000_000})
            writer.write(SUBREQUEST + f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode())
            reply = await reader.read()
            writer.close()
            assert status_of(reply) == 200
            assert b"X-User-Id: u\r\n" in reply


async def test_an_untrusted_peer_is_refused_even_with_a_valid_token() -> None:
    app = build(prepare(load(None, ENVIRON | {"AUTHGATE_TRUSTED_PROXIES": "192.0.2.1"})))
    token = mint({"sub": "u", "aud": "tasks", "exp": 4_000_000_000})
    async with listening("127.0.0.1:0", app.answer, Limits()) as address:
        port = int(address.rpartition(":")[2])
        reply = await exchange(
            port, SUBREQUEST + f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode()
        )
    assert status_of(reply) == 403
    assert b"X-AuthGate-Reason: untrusted_proxy" in reply
    assert b"X-User-Id" not in reply


async def test_a_subrequest_about_a_request_of_authgates_own_is_refused_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With a proxy that protects /api/auth/ too, AuthGate would wait for itself."""
    async with serving_both_ports() as served:
        answer = await served.ask("traefik", bearer_line(fresh()), ("User-Agent", "AuthGate/0.1.0"))
        assert (answer.status, answer.reason) == (400, "unreadable_request")
        (record,) = [record for record in caplog.records if record.getMessage() == "deny"]
        assert "/api/auth/" in record.fields["fix"]  # type: ignore[attr-defined]


async def test_a_request_of_authgates_own_may_meet_a_public_policy(tmp_path: Path) -> None:
    """The proxy may ask about every request, if a policy makes the front end's /api/auth/ public."""
    config = tmp_path / "authgate.yaml"
    policies = "[{name: sign-in, match: {path: /api/auth/**}, public: true}, {name: rest, optional: true}]"
    config.write_text(f"issuers: [{{name: a, preset: jwt, secret_env: S, audiences: any}}]\npolicies: {policies}\n")
    app = build(prepare(load(str(config), {"S": ENVIRON["JWT_SECRET"]})))
    lines = b"User-Agent: AuthGate/0.1.0\r\nConnection: close\r\n\r\n"
    async with listening("127.0.0.1:0", app.answer, Limits()) as address:
        for path, status in ((b"/api/auth/jwks", 200), (b"/api/other", 403), (b"/api/auth/%2e%2e/other", 403)):
            subrequest = SUBREQUEST.replace(b"http://a/", b"http://a" + path)
            assert status_of(await exchange(int(address.rpartition(":")[2]), subrequest + lines)) == status


async def test_a_refusal_has_one_request_id_in_its_header_its_body_and_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is the proxy's, if the proxy sends a sound one. Otherwise AuthGate makes one for each refusal."""
    caplog.set_level("INFO")
    sent = [[("X-Request-Id", "01J-abc.DEF_1")], [], [("X-Request-Id", 'a" b')], [("X-Request-Id", "a")] * 2]
    async with serving_both_ports() as served:
        answers = [await served.ask("caddy", *lines) for lines in sent]
        allowed = await served.ask("caddy", bearer_line(fresh()), ("X-Request-Id", "01J-abc.DEF_1"))
    ids = [answer.all("X-Request-Id") for answer in answers]
    assert [len(one) for one in ids] == [1] * 4
    assert [json.loads(answer.body)["request_id"] for answer in answers] == [one for (one,) in ids]
    lines = [vars(record)["fields"] for record in caplog.records if record.getMessage() == "deny"]
    assert [line["request_id"] for line in lines] == [one for (one,) in ids]
    assert ids[0] == ["01J-abc.DEF_1"]
    assert all(re.fullmatch("[0-9a-f]{32}", one) for (one,) in ids[1:])
    assert len({*map(tuple, ids)}) == 4
    assert (allowed.status, allowed.all("X-Request-Id")) == (200, [])


@pytest.mark.parametrize("lines", [[("X_User_Id", "a")], [("X-Forwarded-Method", "GET")]], ids=["look-alike", "twice"])
async def test_a_request_that_cannot_be_read_gets_a_page_too_and_its_origin_may_read_it(
    lines: list[tuple[str, str]], tmp_path: Path
) -> None:
    config = tmp_path / "authgate.yaml"
    config.write_text("cors: {allowed_origins: [https://web.example.com]}\npage: {title: Tasks}\n")
    origin = ("Origin", "https://web.example.com")
    async with serving_both_ports(file=str(config)) as served:
        page = await served.ask("caddy", *lines, ("Sec-Fetch-Mode", "navigate"))
        problem = await served.ask("caddy", *lines, origin)
    assert [(answer.status, answer.reason) for answer in (page, problem)] == [(400, "unreadable_request")] * 2
    assert page.all("Content-Type") == ["text/html; charset=utf-8"]
    assert b"<header>Tasks</header>" in page.body
    assert problem.all("Content-Type") == ["application/problem+json"]
    assert problem.all("Access-Control-Allow-Origin") == [origin[1]]


async def test_a_browser_is_redirected_and_a_loop_ends_on_a_page_which_the_log_says(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    environ = SERVED | {"AUTHGATE_LOGIN_URL": "https://app.example.com/sign-in"}
    cookies: list[tuple[str, str]] = []
    async with serving_both_ports(environ) as served:
        answers = []
        for _ in range(6):
            answers.append(await served.ask("traefik", ("Sec-Fetch-Mode", "navigate"), *cookies, uri="/tasks?a=b"))
            (line,) = answers[-1].all("Set-Cookie")
            cookies = [("Cookie", line.partition(";")[0])]
    assert [answer.status for answer in answers] == [302] * 5 + [401]
    to = "https://app.example.com/sign-in?return_to=https%3A%2F%2Fapp.example.com%2Ftasks%3Fa%3Db"
    assert [answer.all("Location") for answer in answers] == [[to]] * 5 + [[]]
    assert b"Signing in did not work" in answers[-1].body
    assert answers[-1].all("X-Request-Id")[0].encode() in answers[-1].body
    lines = [vars(record)["fields"] for record in caplog.records if record.getMessage() == "deny"]
    assert [line["answer"] for line in lines] == ["redirect"] * 5 + ["loop page"]
    assert "return_to" not in str(lines)
