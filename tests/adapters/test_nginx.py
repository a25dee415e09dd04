"""nginx auth_request: its two headers, and the statuses that it accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from authgate.adapters import TrustedProxies
from authgate.adapters.nginx import NginxAdapter
from authgate.core.challenge import Challenge
from authgate.core.decision import Deny
from authgate.core.errors import Unreadable
from authgate.core.pages import PLAIN_LOOK, page_for
from authgate.core.reasons import REASONS, Reason
from authgate.core.subrequest import Subrequest

if TYPE_CHECKING:
    from authgate.core.request import Request


def read(*headers: tuple[str, str]) -> Request:
    return NginxAdapter().read(Subrequest.of(CIMultiDict(headers)), TrustedProxies(networks=()), frozenset())


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "path", "query"),
    [
        ("http://app.example.com/", "http", "app.example.com", None, "/", ""),
        ("https://APP.example.com:8443/a?b=c&d", "https", "app.example.com", 8443, "/a", "b=c&d"),
        ("https://[::1]:8443//x/../y", "https", "[::1]", 8443, "//x/../y", ""),
        (
            "http://app.example.com/?u=http://evil.example/",
            "http",
            "app.example.com",
            None,
            "/",
            "u=http://evil.example/",
        ),
    ],
)
def test_the_original_url_is_split_into_its_parts(
    url: str, scheme: str, host: str, port: int | None, path: str, query: str
) -> None:
    request = read(("X-Original-Method", "GET"), ("X-Original-URL", url))
    assert (request.scheme, request.host, request.port, request.path, request.query) == (
        scheme,
        host,
        port,
        path,
        query,
    )


@pytest.mark.parametrize(
    "url", ["/a", "//app/a", "http:///a", "https://user@app/a", "https://a, https://b", "https://a/#b", "https://a/\\b"]
)
def test_an_ambiguous_original_url_is_refused(url: str) -> None:
    with pytest.raises(Unreadable):
        read(("X-Original-Method", "GET"), ("X-Original-URL", url))


def test_original_uri_alone_is_refused_and_the_fix_shows_the_lines_for_nginx() -> None:
    with pytest.raises(Unreadable) as unreadable:
        read(("X-Original-URI", "/a"))
    assert "proxy_set_header X-Original-Method $request_method;" in unreadable.value.fix
    assert "proxy_set_header X-Original-URL $scheme://$http_host$request_uri;" in unreadable.value.fix


@pytest.mark.parametrize("reason", Reason)
def test_a_refusal_has_no_body_and_a_status_that_nginx_accepts(reason: Reason) -> None:
    reply = NginxAdapter().write(Deny(reason=reason), "id-1")
    assert reply.status == {400: 403}.get(REASONS[reason].status, REASONS[reason].status)
    assert reply.status in {401, 403, 503}
    assert reply.body == b""
    assert dict(reply.headers)["X-AuthGate-Detail"] == REASONS[reason].text
    assert "Content-Type" not in dict(reply.headers)


@pytest.mark.parametrize("reason", Reason)
def test_the_words_of_a_page_are_in_headers(reason: Reason) -> None:
    shown = page_for(reason, PLAIN_LOOK, sign_in_url="https://id.example.com/in?a=b&c")
    headers = dict(NginxAdapter().write(Deny(reason=reason, challenge=Challenge(page=shown)), "id-1").headers)
    assert headers["X-AuthGate-Answer"] == "page"
    assert (headers["X-AuthGate-Heading"], headers["X-AuthGate-Text"]) == (shown.heading, shown.text)
    assert (headers.get("X-AuthGate-Action", ""), headers.get("X-AuthGate-Link", "")) == (shown.action, shown.link)


@pytest.mark.parametrize(
    ("challenge", "answer"), [(Challenge(), "problem"), (Challenge(location="https://id.example.com/"), "redirect")]
)
def test_the_answer_tells_nginx_what_to_make_of_the_headers(challenge: Challenge, answer: str) -> None:
    headers = dict(NginxAdapter().write(Deny(reason=Reason.NO_CREDENTIAL, challenge=challenge), "id-1").headers)
    assert headers["X-AuthGate-Answer"] == answer
    assert not {"X-AuthGate-Heading", "X-AuthGate-Text", "X-AuthGate-Action", "X-AuthGate-Link"} & {*headers}
    assert "Content-Type" not in headers
