"""Attacks on identity headers. A reply has each of them exactly once, and no value can become another line."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from authgate.adapters import ADAPTERS
from authgate.config.load import load
from authgate.core.decision import Allow, Deny
from authgate.core.errors import ConfigError
from authgate.core.outputs import MAX_REPLY_HEAD_BYTES, Output
from authgate.core.reasons import Reason
from authgate.wiring import prepare
from tests.support.deciding import OUTPUTS, decide_token, make_snapshot
from tests.support.serving import ENVIRON, Served, bearer_line, exchange, fresh, head
from tests.support.tokens import OTHER_SECRET, claims, mint

PROXIES = tuple(ADAPTERS)
IDENTITY = tuple(output.header for output in OUTPUTS)
MAX_BODY_BYTES = 4 * 1024


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ["user-1", "", "", ""]),
        ({"email": "a@example.com", "roles": ["x", "y"]}, ["user-1", "a@example.com", "", "x,y"]),
        ({"email": 7, "name": [], "roles": [{"admin": True}]}, ["user-1", "", "", ""]),
        ({"roles": {"admin": {}, "editor": {}}}, ["user-1", "", "", "admin,editor"]),
    ],
)
async def test_H5_every_identity_header_is_in_every_200(
    served: Served, proxy: str, more: dict[str, Any], expected: list[str]
) -> None:
    """CVE-2026-30851 (Caddy): a 200 without the header let the client's own header pass."""
    own_copies = [(name, "admin") for name in IDENTITY]
    answer = await served.ask(proxy, *own_copies, bearer_line(fresh(**more)))
    assert answer.status == 200
    assert [answer.all(name) for name in IDENTITY] == [[value] for value in expected]


@pytest.mark.parametrize("name", ["x-user-id", "X-USER-ID", "X_User_Id", "x_user_id", "X-User-ID", "X-User-", "X User"])
def test_H6_a_header_name_that_is_not_canonical_is_rejected_at_start_up(name: str) -> None:
    """CVE-2026-33433 (Traefik): a header whose name differed in case was not overwritten."""
    loaded = load(None, {**ENVIRON, "AUTHGATE_HEADERS": f"{{'{name}': subject}}"})
    with pytest.raises(ConfigError) as error:
        prepare(loaded)
    shown = repr(name) if " " in name else name
    assert [(p.setting, "canonical" in p.message) for p in error.value.problems] == [(f"headers.{shown}", True)]


async def test_H6_header_names_are_sent_exactly_as_configured(served: Served) -> None:
    answer = await served.ask("traefik", bearer_line(fresh()))
    assert [name for name, _ in answer.headers if name.startswith("X-")] == list(IDENTITY)
    assert all(f"\r\n{name}: ".encode() in answer.head for name in IDENTITY)


@pytest.mark.parametrize("proxy", PROXIES)
async def test_H9_a_reply_is_always_small(served: Served, proxy: str) -> None:
    """CVE-2026-26998 (Traefik): an unlimited body from the authentication server used up the memory."""
    long = "/" + "x" * 30_000
    line = bearer_line(fresh())
    answers = [
        await served.ask(proxy, line),
        await served.ask(proxy, uri=long),
        await served.ask(proxy, line, host="h" * 30_000),
        await served.ask(proxy, bearer_line("x" * 40_000)),
        await served.ask(proxy, ("Cookie", "access_token=" + "y" * 40_000)),
        await served.ask(proxy, line, path="/auth" + long),
        await served.ask(proxy, ("X-Long", "z" * 70_000)),
        await served.ask(proxy, *[("X-Many", "z")] * 300),
        await served.ask(proxy, ("X-Broken", "a\0b")),
        await exchange(served.auth, b"\x16\x03\x01 no HTTP at all\r\n\r\n"),
        await exchange(served.admin, head(long, [("Host", "a")])),
    ]
    assert [answer.status for answer in answers] == [200, 401, *[answer.status for answer in answers[2:]]]
    assert all(answer.status >= 400 for answer in answers[1:])
    assert all(len(answer.body) <= MAX_BODY_BYTES and len(answer.head) <= MAX_REPLY_HEAD_BYTES for answer in answers)


async def test_H9_the_largest_identity_that_is_allowed_fits_into_8_KiB(served: Served) -> None:
    """The bound applies to the whole head on the wire. One more character is refused, not cut."""
    low, high = 1, 12_000
    while high - low > 1:
        middle = (low + high) // 2
        answer = await served.ask("nginx", bearer_line(fresh(name="n" * middle)))
        low, high = (middle, high) if answer.status == 200 else (low, middle)
    largest = await served.ask("nginx", bearer_line(fresh(name="n" * low)))
    refused = await served.ask("nginx", bearer_line(fresh(name="n" * high)))
    assert largest.all("X-User-Name") == ["n" * low]
    assert MAX_REPLY_HEAD_BYTES - 256 < len(largest.head) <= MAX_REPLY_HEAD_BYTES
    assert (refused.status, refused.reason, refused.all("X-User-Name")) == (403, "headers_too_large", [])


HOSTILE = [
    "a\r\nX-User-Roles: admin",
    "a\nb",
    "a\rb",
    "a\0b",
    "\r\n\r\n<html>",
    "\u560a\u560dX-User-Roles: admin",
    "J\xf6rg",
    "\u674e\u5c0f\u9f8d",
    " padded ",
    "100%",
    "%0d%0a",
    "\x85\u2028\x7f\x1b[31m",
]


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("text", HOSTILE)
async def test_J30_a_claim_becomes_one_header_value_whatever_it_contains(served: Served, proxy: str, text: str) -> None:
    """mod_oauth2#77: CR, LF, NUL and characters outside latin-1 in claims."""
    answer = await served.ask(proxy, bearer_line(fresh(name=text, roles=[text, "user"])))
    assert answer.status == 200
    names = [name for name, _ in answer.headers]
    assert names == [*IDENTITY, *(name for name in names if not name.startswith("X-"))]
    (name,), (roles,) = answer.all("X-User-Name"), answer.all("X-User-Roles")
    assert unquote(name, errors="strict") == text
    assert [unquote(role, errors="strict") for role in roles.split(",")] == [text.strip(), "user"]
    assert all(" " <= character <= "~" for character in name + roles)


@pytest.mark.parametrize("kilobytes", [9, 64])
async def test_J30_a_claim_that_is_too_long_is_refused(served: Served, kilobytes: int) -> None:
    answer = await served.ask("traefik", bearer_line(fresh(name="n" * kilobytes * 1000)))
    assert (kilobytes, answer.status, answer.reason) in {(9, 403, "headers_too_large"), (64, 431, "")} | {
        (64, 401, "malformed_token")
    }


def test_J30_a_lone_surrogate_is_encoded_in_a_claim_and_refused_in_the_subject() -> None:
    decision = decide_token(mint(claims(name="\ud800")))
    assert isinstance(decision, Allow)
    assert dict(decision.headers)["X-User-Name"] == "%ED%A0%80"
    refused = decide_token(mint(claims(sub="\ud800")))
    assert isinstance(refused, Deny)
    assert refused.reason is Reason.MALFORMED_TOKEN


def test_J30_a_claim_with_objects_and_lists_becomes_one_header_value() -> None:
    snapshot = make_snapshot(outputs=(Output(header="X-Raw", source="claims.raw"),))
    decision = decide_token(mint(claims(raw=[{"a\r\nb": "c\0"}, ["\n"], 1.0, None, True])), snapshot)
    assert isinstance(decision, Allow)
    ((_, value),) = decision.headers
    assert value == '{"a\\r\\nb":"c\\u0000"}'.replace(",", "%2C") + ',["\\n"],1,null,true'


BAD = {
    "tampered": lambda: fresh()[:-4] + "AAAA",
    "expired": lambda: fresh(exp=1, iat=0),
    "another secret": lambda: fresh(key=OTHER_SECRET),
    "no token at all": lambda: "x",
    "unverified claims": lambda: fresh(key=b"", sub="admin"),
}


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("with_good_cookie", [True, False])
async def test_J27_a_bad_token_is_refused_and_none_of_its_claims_is_sent(
    served: Served, proxy: str, kind: str, *, with_good_cookie: bool
) -> None:
    """CVE-2021-21378 (Envoy), envoy#13458: a bad token counted as no token, and unverified claims looked verified.

    A good cookie does not help: the first place that holds a credential decides.
    """
    good = [("Cookie", f"access_token={fresh()}")] if with_good_cookie else []
    answer = await served.ask(proxy, bearer_line(BAD[kind]()), *good)
    assert answer.status == 401
    assert not any(answer.all(name) for name in IDENTITY)
    assert b"user-1" not in answer.head + answer.body
    assert b"admin" not in answer.head + answer.body
