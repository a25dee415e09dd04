"""Whatever a request looks like, what a refused client gets keeps its promises."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from authgate.adapters import ADAPTERS
from authgate.core.clients import shows_pages
from authgate.core.cors import CorsRule
from authgate.core.decision import Allow
from authgate.core.pages import Look
from authgate.core.policy import Access
from authgate.core.reasons import REASONS
from authgate.core.redirects import cookie_name, count_redirects
from authgate.core.refusals import Refusals
from tests.support.deciding import OUTPUTS, SIGN_IN, decide_now, make_snapshot, request_with
from tests.support.ruling import policies, policy, rule
from tests.support.tokens import NOW, OTHER_SECRET, claims, mint

if TYPE_CHECKING:
    from authgate.core.request import Request

APP = "https://app.example.com"
CORS = CorsRule(allowed_origins=frozenset({APP}))
PAGE_BYTES = 4096 + len(SIGN_IN.url) + 100  # with a link
SNAPSHOT = make_snapshot(
    policies=policies(
        policy("admin", "/admin/**", rule=rule({"roles": {"any_of": ["admin"]}}), sign_in=SIGN_IN, cors=CORS),
        policy("recent", "/recent", rule=rule({"authenticated_within_seconds": 60}), sign_in=SIGN_IN),
        policy("api", "/api/**", cors=CORS),
        policy("open", "/open", Access.OPTIONAL, sign_in=SIGN_IN),
        policy("write", methods=frozenset({"POST", "PUT"}), sign_in=SIGN_IN, cors=CORS),
        policy("page", hosts=("app.example.com", "id.example.com"), sign_in=SIGN_IN),
    ),
    refusals=Refusals(look=Look(title="Tasks", contact="help@example.com"), cors=CORS),
)
TOKENS = [
    mint(),
    mint(claims(auth_time=1, roles=["admin"])),
    mint(claims(exp=1, iat=0)),
    mint(key=OTHER_SECRET),
    "junk",
]
HEADERS = st.sampled_from(
    [
        *(("Sec-Fetch-Mode", mode) for mode in ("navigate", "navigate", "cors", "no-cors", "websocket", "")),
        *(("Sec-Fetch-Site", site) for site in ("same-origin", "cross-site", "none")),
        *(("Origin", origin) for origin in (APP, APP, APP.upper(), "null", "https://evil.example")),
        *(("Access-Control-Request-Method", method) for method in ("GET", "PUT", "OPTIONS", "put")),
        *(("Accept", accept) for accept in ("*/*", "text/html", "text/html;q=0", "application/json")),
        *(("Authorization", f"Bearer {token}") for token in TOKENS),
        *(("Cookie", f"access_token={token}") for token in TOKENS),
        *(("Cookie", f"{cookie_name('https')}=AbCdEf-_:{int(NOW)}:{count}") for count in (1, 5)),
        ("Sec-WebSocket-Key", "x"),
        ("X-Requested-With", "XMLHttpRequest"),
        ("X-HTTP-Method-Override", "OPTIONS"),
        ("Sec-Purpose", "prefetch"),
    ]
)
REQUESTS = st.builds(
    lambda headers, method, path, host: request_with(*headers, method=method, url_path=path, authority=host),
    st.lists(HEADERS, max_size=7),
    st.sampled_from(["GET", "GET", "HEAD", "POST", "PUT", "OPTIONS", "OPTIONS"]),
    st.sampled_from(
        ["/", "/admin/x?a=b", "/recent", "/api/x", "/open", "/a//b", "/a%2fb", "/sign-in", "/caf%C3%A9?q=\xe9"]
    ),
    st.sampled_from(["app.example.com", "app.example.com", "other.example", "id.example.com"]),
)


@given(request=REQUESTS)
def test_a_redirect_is_only_for_a_person_whom_a_sign_in_helps(request: Request) -> None:
    decision = decide_now(request, SNAPSHOT)
    if isinstance(decision, Allow):
        return
    challenge = decision.challenge
    if challenge.location:
        assert request.method in {"GET", "HEAD"}
        assert shows_pages(request.headers)
        assert REASONS[decision.reason].status == 401
        assert decision.policy not in {"api", ""}
        assert challenge.page is None
        assert ("max_age=60" in challenge.location) == (decision.reason == "insufficient_user_authentication")
    assert bool(challenge.page or challenge.location) is shows_pages(request.headers)
    assert challenge.allowed_origin.lower() in {"", APP}
    assert challenge.allowed_origin in {"", *request.headers.getall("Origin", ())}


@given(request=REQUESTS)
def test_a_preflight_is_anonymous_and_no_other_request_passes_without_a_credential(request: Request) -> None:
    decision = decide_now(request, SNAPSHOT)
    if isinstance(decision, Allow) and decision.identity is None:
        assert request.method == "OPTIONS" or decision.policy == "open"
        assert (*decision.headers,) == tuple((output.header, "") for output in OUTPUTS)
    if request.method == "OPTIONS" and isinstance(decision, Allow) and decision.identity is not None:
        origins = request.headers.getall("Origin", ())
        methods = request.headers.getall("Access-Control-Request-Method", ())
        assert not (len(origins) == len(methods) == 1 and methods[0].isupper())


@given(request=REQUESTS)
def test_every_reply_to_a_refusal_is_small_printable_and_no_success(request: Request) -> None:
    decision = decide_now(request, SNAPSHOT)
    if isinstance(decision, Allow):
        return
    for adapter in ADAPTERS.values():
        reply = adapter.write(decision, "id-1")
        assert reply.status in {302, 400, 401, 403, 503}
        assert (reply.status == 302) <= bool(decision.challenge.location)
        assert all(value.isascii() and value.isprintable() for _, value in reply.headers)
        assert sum(len(name) + len(value) + 4 for name, value in reply.headers) < 8 * 1024 - 192
        assert len(reply.body) <= PAGE_BYTES
        assert not {name for name, _ in reply.headers} & {output.header for output in OUTPUTS}


@given(
    cookie=st.text(st.sampled_from("AbCdEf-_:.0123456789;=\"' \t\udcff\u0665")) | st.text(st.characters(codec="utf-8")),
    now=st.floats(0, 2**40),
    is_https=st.booleans(),
)
def test_any_cookie_is_read_and_answered_with_a_sound_one(cookie: str, now: float, *, is_https: bool) -> None:
    scheme = "https" if is_https else "http"
    request = replace(request_with(("Cookie", f"{cookie_name(scheme)}={cookie}")), scheme=scheme)
    counted = count_redirects(request, now)
    pattern = (
        rf"{cookie_name(scheme)}=[A-Za-z0-9_:.-]{{0,250}}; Max-Age=(0|30); Path=/; HttpOnly; SameSite=Lax(; Secure)?"
    )
    match = re.fullmatch(pattern, counted.set_cookie())
    assert match
    assert bool(match[2]) is is_https
