"""The client's request: ambiguous parts are refused."""

from __future__ import annotations

from typing import Any

import pytest
from multidict import CIMultiDict

from authgate.core.errors import Unreadable
from authgate.core.reasons import Reason
from authgate.core.request import make_request, split_absolute_url, split_authority


def request(**changes: Any) -> Any:
    parts = {"method": "GET", "scheme": "https", "authority": "app.example.com", "target": "/a?b=c"}
    return make_request(**parts | changes, headers=CIMultiDict(), adapter="test")


def assert_unreadable(**changes: Any) -> str:
    with pytest.raises(Unreadable) as unreadable:
        request(**changes)
    assert unreadable.value.reason is Reason.UNREADABLE_REQUEST
    return unreadable.value.detail


def test_a_request_is_split_into_its_parts() -> None:
    made = request(authority="App.Example.COM.:8443", target="/a%2Fb?x=1?y")
    assert (made.method, made.scheme, made.host, made.port) == ("GET", "https", "app.example.com", 8443)
    assert (made.path, made.query, made.client_ip, made.adapter) == ("/a%2Fb", "x=1?y", None, "test")


@pytest.mark.parametrize(("scheme", "known"), [("http", "http"), ("HTTPS", "https"), ("ws", "http"), ("Wss", "https")])
def test_websocket_schemes_mean_http(scheme: str, known: str) -> None:
    assert request(scheme=scheme).scheme == known


@pytest.mark.parametrize("scheme", ["", "ftp", "file", "https,http", "http://", " https"])
def test_another_scheme_is_unreadable(scheme: str) -> None:
    assert "scheme" in assert_unreadable(scheme=scheme)


@pytest.mark.parametrize("method", ["GET", "M-SEARCH", "X_Y", "A" * 32])
def test_an_upper_case_token_is_a_method(method: str) -> None:
    assert request(method=method).method == method


@pytest.mark.parametrize("method", ["", "get", "GET POST", "GET,POST", "1GET", "A" * 33, "GET\n", "G\u00c9T"])
def test_anything_else_is_not_a_method(method: str) -> None:
    assert "method" in assert_unreadable(method=method)


@pytest.mark.parametrize("target", ["/", "/a", "*"])
@pytest.mark.parametrize("scheme", ["https", "wss"])
def test_connect_is_unreadable(scheme: str, target: str) -> None:
    """Caddy 2 turns the CONNECT of a WebSocket over HTTP/3 (RFC 9220) into a GET after it has asked."""
    assert "CONNECT" in assert_unreadable(method="CONNECT", scheme=scheme, target=target)


@pytest.mark.parametrize("target", ["/", "/a|b^c{d}", "/\u00e4", "/%23", "/..//", "/a?b"])
def test_the_path_stays_as_it_was_sent(target: str) -> None:
    assert request(target=target).path == target.partition("?")[0]


@pytest.mark.parametrize(
    "target", ["", "a", "*", "?x", "/a b", "/a#b", "/a\\b", "/a\x00", "/a\n", "/a\x7f", "http://x/"]
)
def test_an_ambiguous_target_is_unreadable(target: str) -> None:
    assert "path" in assert_unreadable(target=target)


def test_the_asterisk_means_the_root_with_options_only() -> None:
    assert request(method="OPTIONS", target="*").path == "/"


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("example.com", ("example.com", None)),
        ("EXAMPLE.com.", ("example.com", None)),
        ("example.com.:80", ("example.com", 80)),
        ("example.com:", ("example.com", None)),
        ("example.com:1", ("example.com", 1)),
        ("example.com:65535", ("example.com", 65535)),
        ("localhost", ("localhost", None)),
        ("my_service:8000", ("my_service", 8000)),
        ("127.0.0.1:4190", ("127.0.0.1", 4190)),
        ("[::1]", ("[::1]", None)),
        ("[0:0::0:1]:80", ("[::1]", 80)),
        ("[2001:DB8:0:0::1]", ("[2001:db8::1]", None)),
        ("[2001:DB8::1]:443", ("[2001:db8::1]", 443)),
    ],
)
def test_an_authority_is_split_into_host_and_port(authority: str, expected: tuple[str, int | None]) -> None:
    assert split_authority(authority) == expected


def test_every_spelling_of_an_ipv6_address_is_one_host() -> None:
    """Versions of Python write the address in different ways, but all spellings alike."""
    spellings = ("[::ffff:192.0.2.1]", "[::FFFF:c000:201]", "[0:0:0:0:0:ffff:192.0.2.1]", "[::ffff:C000:0201]")
    assert len({split_authority(spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    "authority",
    [
        "",
        ".",
        ":80",
        "::1",
        "[::1",
        "[:::]",
        "[192.0.2.1]",
        "[fe80::1%eth0]",
        "[::1]x",
        "a b",
        "a,b",
        "a/b",
        "a?b",
        "a#b",
        "user@host",
        "-a",
        "a-",
        "\u00e4.example",
        "a:0",
        "a:65536",
        "a:123456",
        "a:+1",
        "a:\u0661",
        "a:b",
        "a" * 256,
        "a\n",
    ],
)
def test_an_invalid_authority_is_unreadable(authority: str) -> None:
    with pytest.raises(Unreadable):
        split_authority(authority)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://app.example.com/a?b", ("https", "app.example.com", "/a?b")),
        ("http://app:80", ("http", "app:80", "/")),
        ("http://app/a\\b", ("http", "app", "/a\\b")),
    ],
)
def test_an_absolute_url_is_split_into_scheme_authority_and_target(url: str, expected: tuple[str, str, str]) -> None:
    assert split_absolute_url(url) == expected


@pytest.mark.parametrize(
    "url", ["", "/a", "//a/b", "app.example.com/a", "h://a/", "http:/a", "http://a/ b", "http://a\\"]
)
def test_any_other_url_is_unreadable(url: str) -> None:
    with pytest.raises(Unreadable):
        split_absolute_url(url)


@pytest.mark.parametrize("authority", ["ada:canary@a b", "ada:canary@a:x", "canary@a", "canary\u00e9@a"])
def test_a_message_shows_no_user_and_no_password(authority: str) -> None:
    for read in (lambda: split_authority(authority), lambda: split_absolute_url(f"http://{authority}\\")):
        with pytest.raises(Unreadable) as error:
            read()
        assert "canary" not in error.value.detail


def test_a_message_quotes_input_as_short_printable_ascii() -> None:
    detail = assert_unreadable(method="\x1b[31m" + "\u00e9" * 300)
    assert detail.isascii()
    assert detail.isprintable()
    assert "..." in detail
    assert len(detail) < 500


def test_the_repr_of_a_request_hides_its_query_and_its_headers() -> None:
    text = repr(make_request(**_PARTS, headers=CIMultiDict([("Cookie", "hunter2")]), adapter="test"))
    assert "hunter2" not in text


_PARTS: Any = {"method": "GET", "scheme": "https", "authority": "a", "target": "/?token=hunter2"}
