"""A subrequest is plain only if none of its header names can be taken for another one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from authgate.core.header_names import folded
from authgate.core.subrequest import Subrequest, are_plain

NAMES = st.lists(st.text(st.sampled_from("aZ0-_~. é"), min_size=1, max_size=8), min_size=1, max_size=6)


@given(names=NAMES)
@example(names=["X-User-Id-"])
@example(names=["X-User-Id-", "Host"])
@example(names=["X_User_Id"])
@example(names=["-X-User-Id"])
def test_a_plain_name_is_read_as_itself_by_the_most_lenient_server(names: list[str]) -> None:
    if are_plain("-".join(names)):
        assert [folded(name) for name in names] == [name.lower() for name in names]


def test_names_that_proxies_send_are_plain() -> None:
    assert are_plain("Host-X-Original-URL-X-Real-IP-Sec-WebSocket-Key-X-B3-TraceId")


@pytest.mark.parametrize("value", ["close, x-user-id", "X-User-Id", "keep-alive, Upgrade", "Keep-Alive"])
def test_only_the_usual_values_of_connection_are_plain(value: str) -> None:
    assert Subrequest.of(CIMultiDict({"Host": "a", "Connection": "close"})).is_plain
    assert not Subrequest.of(CIMultiDict({"Host": "a", "Connection": value})).is_plain


def test_a_subrequest_without_headers_is_not_plain() -> None:
    assert not Subrequest.of(CIMultiDict()).is_plain


@pytest.mark.parametrize(
    ("agents", "expected"), [(["AuthGate/1.0"], True), (["curl/8"], False), ([], False), (["curl/8 AuthGate/1"], False)]
)
def test_the_user_agent_says_that_authgate_sent_the_request(agents: list[str], *, expected: bool) -> None:
    headers = CIMultiDict([("Host", "a"), *(("User-Agent", agent) for agent in agents)])
    assert Subrequest.of(headers).is_own is expected
