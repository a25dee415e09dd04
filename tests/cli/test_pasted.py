"""The forms of input that `authgate explain` reads from standard input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.cli import _pasted

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl"
BEARER = {"method": "GET", "url": "/", "headers": [("Authorization", f"Bearer {TOKEN}")]}
COOKIES = {"method": "GET", "url": "/", "headers": [("Cookie", f"theme=dark; access_token={TOKEN}")]}


@pytest.mark.parametrize(
    "pasted",
    [TOKEN, f"\n {TOKEN}\r\n", f"\ufeff{TOKEN}", f'"{TOKEN}"', f"Bearer {TOKEN}", f"Authorization: Bearer {TOKEN}"],
)
def test_a_token_is_read_with_and_without_what_surrounds_it(pasted: str) -> None:
    assert _pasted.read(pasted.encode()) == BEARER


def test_the_scheme_keeps_its_spelling() -> None:
    assert _pasted.read(f"bearer {TOKEN}".encode())["headers"] == [("Authorization", f"bearer {TOKEN}")]


@pytest.mark.parametrize("beginning", ["", "Cookie: ", "Cookie:"])
def test_cookies_are_read_with_and_without_the_headers_name(beginning: str) -> None:
    assert _pasted.read(f"{beginning}theme=dark; access_token={TOKEN}".encode()) == COOKIES


def test_a_token_that_ends_in_padding_is_no_cookie() -> None:
    assert _pasted.read(b"abc==")["headers"] == [("Authorization", "Bearer abc==")]


def test_several_headers_are_read_in_order() -> None:
    pasted = f"Host: app.example.com\r\nAuthorization: Bearer {TOKEN}\r\n\r\nX-Empty:\r\ncookie: a=1\r\n"
    assert _pasted.read(pasted.encode()) == {
        "method": "GET",
        "url": "/",
        "headers": [
            ("Host", "app.example.com"),
            ("Authorization", f"Bearer {TOKEN}"),
            ("X-Empty", ""),
            ("cookie", "a=1"),
        ],
    }


def test_a_request_line_may_come_before_the_headers() -> None:
    request = _pasted.read(b"DELETE /api/v1/tasks/7 HTTP/1.1\nHost: app.example.com")
    assert (request["method"], request["url"]) == ("DELETE", "/api/v1/tasks/7")
    assert request["headers"] == [("Host", "app.example.com")]


@pytest.mark.parametrize(
    ("pasted", "url"),
    [
        ("/api/v1/tasks", "/api/v1/tasks"),
        ("/api/v1/tasks?page=2#top", "/api/v1/tasks?page=2"),
        ("https://app.example.com/x", "https://app.example.com/x"),
    ],
)
def test_a_url_is_a_request_without_credentials(pasted: str, url: str) -> None:
    assert _pasted.read(pasted.encode()) == {"method": "GET", "url": url, "headers": []}


def test_a_method_may_come_before_a_url() -> None:
    assert _pasted.read(b"DELETE /api/v1/tasks/7") == {"method": "DELETE", "url": "/api/v1/tasks/7", "headers": []}


def test_the_user_in_a_url_becomes_a_header_as_clients_send_it() -> None:
    basic = ("Authorization", "Basic YWRhOnNlY3JldA==")
    assert _pasted.read(b"https://ada:secret@a/x") == {"method": "GET", "url": "https://a/x", "headers": [basic]}


def test_a_curl_command_is_read() -> None:
    request = _pasted.read(f"curl -H 'Authorization: Bearer {TOKEN}' /".encode())
    assert request == BEARER


@pytest.mark.parametrize(
    "pasted",
    [
        "",
        " \n",
        "two words",
        f"{TOKEN}\n{TOKEN}",
        f"TOKEN={TOKEN}\ncurl http://a/",
        f"Authorization: Bearer {TOKEN}\nand so on",
        f"Bearer {TOKEN}\n{TOKEN}",
        f"wget --header 'Authorization: Bearer {TOKEN}' http://a/",
    ],
)
def test_other_input_gets_a_message_that_quotes_nothing(pasted: str) -> None:
    with pytest.raises(ValueError, match="input") as error:
        _pasted.read(pasted.encode())
    assert TOKEN not in str(error.value)


def test_input_over_64_kib_is_refused() -> None:
    largest = b"a" * 64 * 1024
    assert _pasted.read(largest)["headers"] == [("Authorization", f"Bearer {largest.decode()}")]
    with pytest.raises(ValueError, match="64 KiB"):
        _pasted.read(largest + b"a")


@given(st.binary(max_size=200))
def test_any_input_is_read_or_gets_a_message(pasted: bytes) -> None:
    try:
        request = _pasted.read(pasted)
    except ValueError:
        return
    assert request.keys() == {"method", "url", "headers"}
