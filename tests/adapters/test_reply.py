"""Refusals are made once, and filled with the request id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate.adapters import ADAPTERS, _reply
from authgate.core.challenge import NO_CHALLENGE, Challenge
from authgate.core.decision import Deny
from authgate.core.pages import Look, Page
from authgate.core.reasons import Reason
from tests.support.ruling import count_calls

if TYPE_CHECKING:
    from authgate.adapters import Adapter

every_adapter = pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
SHOWN = Page(heading="Please sign in", text="Words.", action="Sign in", link="https://id.example.com/in")
TO = "https://id.example.com/in?return_to=%2Fa"
# One of them is the hash of the challenge. A page and its look have hashes of their own.
MAX_CALLS = {"program": 7, "another origin": 7, "page": 9}
KINDS = {
    "program": NO_CHALLENGE,
    "another origin": Challenge(allowed_origin="https://web.example.com"),
    "scopes": Challenge(scopes=("a", "b")),
    "page": Challenge(page=SHOWN),
    "redirect": Challenge(location=TO, set_cookie="a=b"),
}


@every_adapter
@pytest.mark.parametrize("challenge", KINDS.values(), ids=KINDS)
def test_each_refusal_has_its_own_request_id_and_nothing_else_of_its_own(
    adapter: Adapter, challenge: Challenge
) -> None:
    ids = ("id-1", "a" * 128, "0123456789abcdef" * 2)
    replies = [adapter.write(Deny(reason=Reason.EXPIRED, challenge=challenge), given_id) for given_id in ids]
    for reply, given_id in zip(replies, ids, strict=True):
        assert dict(reply.headers)["X-Request-Id"] == given_id
        assert (given_id.encode() in reply.body) is bool(reply.body)
    wires = {reply.headers.wire.replace(id_.encode(), b"") for reply, id_ in zip(replies, ids, strict=True)}
    bodies = {reply.body.replace(id_.encode(), b"") for reply, id_ in zip(replies, ids, strict=True)}
    assert (len(wires), len(bodies)) == (1, 1)


@every_adapter
def test_text_that_looks_like_the_place_of_the_request_id_is_not_replaced(adapter: Adapter) -> None:
    look_alike = "THE-REQUEST-ID"
    page = Page(heading=look_alike, text=look_alike, look=Look(title=look_alike, contact=look_alike))
    for challenge in (
        Challenge(page=page, scopes=(look_alike,)),
        Challenge(page=page, location=f"/?{look_alike}", set_cookie=look_alike),
    ):
        reply = adapter.write(Deny(reason=Reason.EXPIRED, challenge=challenge), "id-1")
        assert reply.headers.wire.count(b"id-1") == 1
        assert dict(reply.headers)["X-Request-Id"] == "id-1"
        assert look_alike in str([*reply.headers])
        if reply.body:
            assert reply.body.count(b"id-1") == 1
            assert reply.body.endswith(b"Request id: id-1</p></footer></main></body></html>")


@every_adapter
@pytest.mark.parametrize("given_id", ["", "a\r\nSet-Cookie: a=b", "<b>", '"', "a" * 129, "ä"])
def test_a_request_id_of_another_form_is_a_bug(adapter: Adapter, given_id: str) -> None:
    with pytest.raises(ValueError, match="another form"):
        adapter.write(Deny(reason=Reason.EXPIRED), given_id)


@every_adapter
@pytest.mark.parametrize("kind", MAX_CALLS)
def test_the_reply_to_a_repeated_refusal_takes_few_calls(adapter: Adapter, kind: str) -> None:
    deny = Deny(reason=Reason.NO_CREDENTIAL, challenge=KINDS[kind])
    _reply._cached_relayed.cache_clear()  # an equal challenge of another test would be compared with this one
    _reply._cached_described.cache_clear()
    adapter.write(deny, "id-1")
    calls = count_calls(lambda: adapter.write(deny, "id-2"))
    assert not any(file.endswith(("page.py", "json/__init__.py")) for file in calls), calls
    assert calls.total() <= 1 + MAX_CALLS[kind], calls  # and the lambda


@every_adapter
def test_what_a_client_chooses_is_not_kept(adapter: Adapter) -> None:
    def kept() -> int:
        return sum(function.cache_info().currsize for function in (_reply._cached_relayed, _reply._cached_described))

    before = kept()
    for number in range(3):
        for challenge in (
            Challenge(location=f"{TO}{number}"),
            Challenge(set_cookie=f"a={number}"),
            Challenge(allowed_origin=f"https://WEB{number}.example.com"),
        ):
            adapter.write(Deny(reason=Reason.EXPIRED, challenge=challenge), "id-1")
    assert kept() == before
