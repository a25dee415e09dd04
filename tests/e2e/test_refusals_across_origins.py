"""Scripts, WebSockets and event streams that are refused, of one origin and of others: a real browser through nginx,
Traefik and Caddy. See docs/refusals.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.shop import END

if TYPE_CHECKING:
    from tests.support.shop_front import Front, Guest

# Returns what a script can read of an answer; a string if it cannot read it.
FETCH = """async ([url, init]) => {
  try {
    const answer = await fetch(url, {credentials: "include", ...init});
    const type = answer.headers.get("Content-Type") ?? "";
    return {
      status: answer.status, redirected: answer.redirected, type: type.split(";")[0],
      challenge: answer.headers.get("WWW-Authenticate"), request_id: answer.headers.get("X-Request-Id"),
      body: type.includes("json") ? await answer.json() : await answer.text(),
    };
  } catch (error) { return String(error); }
}"""
UNREADABLE = "TypeError: Failed to fetch"
# Sends one message, and returns everything that came until the second message.
TALK = """([url, protocols]) => new Promise((done) => {
  const socket = new WebSocket(url, protocols), heard = [];
  socket.onopen = () => socket.send("hello");
  socket.onmessage = (event) => { if (heard.push(event.data) === 2) socket.close(); };
  socket.onclose = (event) => done({code: event.code, protocol: socket.protocol, heard});
})"""
LISTEN = """([url]) => {
  window.heard = [];
  window.stream = new EventSource(url, {withCredentials: true});
  stream.onmessage = (event) => heard.push(event.data);
}"""
HEARD = "(count) => heard.length === count"
CLOSED = "stream.readyState === EventSource.CLOSED"  # for good: the browser does not try again
JSON_BODY = {"method": "PUT", "headers": {"Content-Type": "application/json"}, "body": "{}"}


@pytest.fixture
def signed_in(front: Front, ada: Guest) -> Guest:
    """A person with a session. This browser sends its cookie with the requests of other sites, too."""
    ada.goes(f"{front.app}/pages/first")
    ada.signs_in(front)
    return ada


@pytest.fixture
def victim(front: Front, signed_in: Guest) -> Guest:
    """A signed-in person who looks at another site."""
    signed_in.goes(f"{front.evil}/")
    return signed_in


def test_a_script_of_another_origin_reads_why_it_is_refused(front: Front, ada: Guest) -> None:
    ada.goes(f"{front.app}/open/page")
    read = ada.runs(FETCH, f"{front.api}/api/tasks", {})
    assert (read["status"], read["redirected"], read["type"]) == (401, False, "application/problem+json")
    assert read["challenge"] == 'Bearer realm="authgate"'
    assert (read["body"]["reason"], read["body"]["status"]) == ("no_credential", 401)
    assert read["request_id"] == read["body"]["request_id"]
    logged = front.logged(request_id=read["request_id"])
    assert (logged["host"], logged["path"]) == ("api.shop.localhost", "/api/tasks")

    ada.goes(f"{front.evil}/")
    assert ada.runs(FETCH, f"{front.api}/api/tasks", {}) == UNREADABLE


def test_a_preflight_passes_from_an_allowed_origin_and_the_service_answers_it(front: Front, signed_in: Guest) -> None:
    front.shop.arrived.clear()
    read = signed_in.runs(FETCH, f"{front.api}/api/tasks/1", JSON_BODY)
    assert (read["status"], read["body"]) == (200, {"method": "PUT", "user": "user-1", "body": "{}"})
    arrived = [(one.method, one.user) for one in front.shop.arrivals("/api/tasks/1")]
    assert arrived == [("OPTIONS", ""), ("PUT", "user-1")], "the preflight is anonymous"


def test_a_preflight_from_another_origin_is_refused(front: Front, victim: Guest) -> None:
    """The service would let every origin in: AuthGate refuses."""
    front.shop.arrived.clear()
    path = f"/api/tasks/{front.proxy}"
    assert victim.runs(FETCH, f"{front.api}{path}", JSON_BODY) == UNREADABLE
    assert front.shop.arrivals(path) == []
    logged = front.logged(path=path)
    assert (logged["method"], logged["reason"]) == ("OPTIONS", "no_credential")


def test_a_preflight_meets_the_policy_of_the_method_that_it_asks_for(front: Front, signed_in: Guest) -> None:
    """Only the policy for GET lets the pages of the application in."""
    front.shop.arrived.clear()
    path = f"/api/catalog/{front.proxy}"
    wish = {"headers": {"X-Wish": "a preflight for GET, too"}}
    assert signed_in.runs(FETCH, f"{front.api}{path}", wish)["status"] == 200
    assert signed_in.runs(FETCH, f"{front.api}{path}", JSON_BODY) == UNREADABLE
    assert [one.method for one in front.shop.arrivals(path)] == ["OPTIONS", "GET"]
    logged = front.logged(path=path, event="deny")
    assert (logged["method"], logged["policy"]) == ("OPTIONS", "writing")


def test_another_site_cannot_post_with_the_cookie_of_a_visitor(front: Front, victim: Guest) -> None:
    front.shop.arrived.clear()
    simple = {"method": "POST", "mode": "no-cors", "body": "a=1"}
    path = f"/api/orders/{front.proxy}"
    assert victim.runs(FETCH, f"{front.api}{path}", simple)["status"] == 0, "no script can read it"
    assert front.logged(path=path)["reason"] == "csrf", "the cookie came, and it is valid"

    with victim.page.expect_navigation() as sent:
        victim.runs("([url]) => { document.forms[0].action = url; document.forms[0].submit(); }", f"{front.app}/orders")
    assert sent.value.status == 403
    assert victim.page.get_by_role("heading").inner_text() == "This request was blocked"
    assert front.logged(request_id=victim.request_id())["reason"] == "csrf"
    assert [one for one in front.shop.arrived if one.method == "POST"] == []


def test_the_applications_own_pages_post_with_the_cookie(front: Front, signed_in: Guest) -> None:
    for origin in (front.app, front.api):  # the same origin, and one that csrf.allowed_origins lists
        read = signed_in.runs(FETCH, f"{origin}/api/orders", {"method": "POST", "body": "a=1"})
        assert (read["status"], read["body"]) == (200, {"method": "POST", "user": "user-1", "body": "a=1"})


def test_a_webhook_is_exempt_by_its_policy(front: Front, victim: Guest) -> None:
    front.shop.arrived.clear()
    victim.runs(FETCH, f"{front.api}/api/webhooks/paid", {"method": "POST", "mode": "no-cors", "body": "paid"})
    assert [(one.user, one.body) for one in front.shop.arrivals("/api/webhooks/paid")] == [("", "paid")]


def _as_websocket(origin: str) -> str:
    return origin.replace("http://", "ws://")


def test_a_websocket_gets_the_user_and_its_subprotocol_and_messages_flow_both_ways(
    front: Front, signed_in: Guest
) -> None:
    for origin in (front.app, front.api):
        talk = signed_in.runs(TALK, f"{_as_websocket(origin)}/socket/1", ["other.v9", "shop.v2", "shop.v1"])
        hello = '{"user": "user-1", "offered": "other.v9, shop.v2, shop.v1"}'
        assert talk["heard"] == [hello, "you said hello"]
        assert talk["protocol"] == "shop.v2", "the service chose it"


def test_a_websocket_without_a_cookie_is_refused_at_its_handshake(front: Front, ada: Guest) -> None:
    front.shop.arrived.clear()
    ada.goes(f"{front.app}/open/page")
    path = f"/socket/signed-out-{front.proxy}"
    with ada.page.expect_websocket() as opened:
        talk = ada.runs(TALK, f"{_as_websocket(front.app)}{path}", ["shop.v2"])
    assert opened.value.is_closed()
    assert (talk["code"], talk["heard"], talk["protocol"]) == (1006, [], "")
    logged = front.logged(path=path)
    assert (logged["reason"], "answer" in logged) == ("no_credential", False), "problem details, not a redirect"
    assert front.shop.arrivals(path) == []
    assert any("HTTP Authentication failed" in error for error in ada.errors), "Chromium's words for a 401"


def test_another_site_cannot_open_a_websocket_with_the_cookie_of_a_visitor(front: Front, victim: Guest) -> None:
    front.shop.arrived.clear()
    path = f"/socket/hijacked-{front.proxy}"
    talk = victim.runs(TALK, f"{_as_websocket(front.api)}{path}", ["shop.v2"])
    assert (talk["code"], talk["heard"]) == (1006, [])
    assert front.logged(path=path)["reason"] == "csrf", "the cookie came, and it is valid"
    assert any("Unexpected response code: 403" in error for error in victim.errors)
    assert front.shop.arrivals(path) == []


def test_an_event_stream_delivers_each_event_at_once_and_outlives_a_sign_out(front: Front, signed_in: Guest) -> None:
    url = f"{front.api}/events/{front.proxy}"
    page = signed_in.page
    signed_in.runs(LISTEN, url)
    for count, text in enumerate(("one", "two"), start=1):
        page.wait_for_function(HEARD, arg=count)  # a proxy that holds events back would never let the test go on
        front.shop.say(text)
    page.wait_for_function(HEARD, arg=3)

    assert signed_in.runs(FETCH, f"{front.app}/sign-out", {})["status"] == 204
    assert signed_in.runs(FETCH, url, {})["status"] == 401, "a new stream is refused"
    front.shop.say("after the sign-out")
    page.wait_for_function(HEARD, arg=4)

    front.shop.say(END)
    page.wait_for_function(CLOSED)  # the browser opens the stream again, and is refused
    assert page.evaluate("heard") == ["for user-1", "one", "two", "after the sign-out"]


def test_an_event_stream_that_the_service_closes_opens_again_for_a_signed_in_user(
    front: Front, signed_in: Guest
) -> None:
    signed_in.runs(LISTEN, f"{front.api}/events/again")
    signed_in.page.wait_for_function(HEARD, arg=1)
    front.shop.say(END)
    signed_in.page.wait_for_function(HEARD, arg=2)
    assert signed_in.page.evaluate("heard") == ["for user-1", "for user-1"]


def test_an_event_stream_without_a_cookie_is_refused_with_problem_details(front: Front, ada: Guest) -> None:
    ada.goes(f"{front.app}/open/page")
    url = f"{front.api}/events/signed-out"
    ada.runs(LISTEN, url)
    ada.page.wait_for_function(CLOSED)
    read = ada.runs(FETCH, url, {"headers": {"Accept": "text/event-stream"}})
    assert (read["status"], read["type"]) == (401, "application/problem+json")
    assert read["body"]["reason"] == "no_credential"
