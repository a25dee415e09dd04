"""The address of the sign-in page, with the address to come back to. Attacks: tests/advisories."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from authgate.core import sign_in
from authgate.core.request import Request, make_request
from authgate.core.sign_in import MAX_RETURN_BYTES, SignIn, port_key
from tests.support.deciding import SIGN_IN, request_with

PAGE = replace(
    SIGN_IN,
    url="https://app.example.com/sign-in",
    host="app.example.com",
    return_hosts=frozenset({("app.example.com", None), ("app.example.com", 8443)}),
)


def asked(target: str = "/", authority: str = "app.example.com", scheme: str = "https") -> Request:
    return replace(request_with(url_path=target, authority=authority), scheme=scheme)


def return_to(
    target: str, authority: str = "app.example.com", page: SignIn = PAGE, scheme: str = "https"
) -> str | None:
    """Return what a sign-in page reads as the return address; None if it is given none."""
    query = parse_qs(urlsplit(page.location(asked(target, authority, scheme))).query, strict_parsing=True)
    values = query.get(page.parameter, [None])
    assert len(values) == 1
    return values[0]


def test_the_scheme_is_https_for_a_host_that_is_configured_so_although_tls_ends_before_the_proxy() -> None:
    hosts = frozenset({("app.example.com", None), ("app.example.com", 8443)})
    page = replace(PAGE, https_hosts=hosts)
    for authority in ("app.example.com", "app.example.com:8443"):
        assert return_to("/a?b", authority, page, scheme="http") == f"https://{authority}/a?b"
        assert return_to("/a?b", authority, scheme="http") == f"http://{authority}/a?b"
    assert return_to("/a?b", "other.example.com", page, scheme="http") == "/a?b"


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("/", "https://app.example.com/"),
        ("/tasks/7?page=2&sort=a%20b", "https://app.example.com/tasks/7?page=2&sort=a%20b"),
        ("/a%23b?c", "https://app.example.com/a%23b?c"),
        ("/caf%C3%A9", "https://app.example.com/caf%C3%A9"),
        (
            "/search?q=caf\N{LATIN SMALL LETTER E WITH ACUTE}",
            "https://app.example.com/search?q=caf\N{LATIN SMALL LETTER E WITH ACUTE}",
        ),
        ("/?next=//evil.example/", "https://app.example.com/?next=//evil.example/"),
        ("/page?", "https://app.example.com/page"),
    ],
)
def test_the_address_of_the_request_survives_with_its_query(target: str, address: str) -> None:
    assert return_to(target) == address


def test_bytes_that_are_not_utf_8_survive_in_a_query() -> None:
    assert PAGE.location(asked("/?q=\udce9")).endswith("?return_to=https%3A%2F%2Fapp.example.com%2F%3Fq%3D%E9")


@pytest.mark.parametrize(
    ("authority", "scheme", "address"),
    [
        ("app.example.com:443", "https", "https://app.example.com/a"),
        ("app.example.com:80", "http", "http://app.example.com/a"),
        ("app.example.com:8443", "https", "https://app.example.com:8443/a"),
        ("APP.example.com.", "https", "https://app.example.com/a"),
        ("app.example.com:444", "https", "/a"),
        ("app.example.com:80", "https", "/a"),
        ("app.example.com:443", "http", "/a"),
        ("evil.example", "https", "/a"),
        ("app.example.com.evil.example", "https", "/a"),
        ("evilapp.example.com", "https", "/a"),
        ("www.app.example.com", "https", "/a"),
        ("example.com", "https", "/a"),
        ("[::1]", "https", "/a"),
    ],
)
def test_a_host_is_given_only_if_the_configuration_names_it_with_its_port(
    authority: str, scheme: str, address: str
) -> None:
    assert return_to("/a", authority, scheme=scheme) == address


def test_an_ipv6_host_may_be_named_too() -> None:
    page = replace(PAGE, return_hosts=frozenset({("[::1]", 8443)}))
    assert return_to("/a", "[0:0::1]:8443", page) == "https://[::1]:8443/a"


def test_an_address_of_2048_bytes_is_given_and_a_longer_one_is_not() -> None:
    encoded = len("https%3A%2F%2Fapp.example.com%2F")
    assert return_to("/" + "a" * (MAX_RETURN_BYTES - encoded)) is not None
    assert return_to("/" + "a" * (MAX_RETURN_BYTES - encoded + 1)) is None
    assert PAGE.location(asked("/" + "a" * 5000)) == PAGE.url
    assert return_to("/?" + "%" * 700) is None  # each becomes three bytes


def test_a_target_of_more_than_2048_characters_is_not_encoded_to_learn_that_it_is_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked_to_encode: list[int] = []

    def counting(text: bytes, *, safe: str) -> str:
        asked_to_encode.append(len(text))
        return quote(text, safe=safe)

    monkeypatch.setattr(sign_in, "quote", counting)
    assert return_to("/" + "a" * MAX_RETURN_BYTES) is None
    assert return_to("/?" + "%" * 60_000) is None
    assert asked_to_encode == []
    assert return_to("/a") is not None
    assert len(asked_to_encode) == 1


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://app.example.com", "https://app.example.com?return_to=x"),
        ("https://app.example.com/sign-in?", "https://app.example.com/sign-in?&return_to=x"),
        ("https://app.example.com/?view=sign-in&a=b", "https://app.example.com/?view=sign-in&a=b&return_to=x"),
    ],
)
def test_the_query_of_the_sign_in_page_is_kept(url: str, location: str) -> None:
    made = replace(PAGE, url=url).location(asked("/t"))
    assert made.replace("https%3A%2F%2Fapp.example.com%2Ft", "x") == location


def test_max_age_is_added_with_and_without_a_return_address() -> None:
    assert PAGE.location(asked("/t"), 60).endswith("?return_to=https%3A%2F%2Fapp.example.com%2Ft&max_age=60")
    assert PAGE.location(asked("/t//u"), 60) == "https://app.example.com/sign-in?max_age=60"
    assert PAGE.location(asked("/t//u"), 0) == "https://app.example.com/sign-in?max_age=0"
    assert PAGE.address(60) == "https://app.example.com/sign-in?max_age=60"
    assert PAGE.address(None) == PAGE.url


def test_the_parameter_has_the_configured_name() -> None:
    assert replace(PAGE, parameter="rd").location(asked("/t")).startswith("https://app.example.com/sign-in?rd=https")


@pytest.mark.parametrize(
    ("path", "data"), [("/a%2Fb", "encoded_slash"), ("/a;b", "semicolon"), ("/a%3Bb", "semicolon")]
)
def test_a_slash_or_semicolon_that_is_data_is_in_the_return_address(path: str, data: str) -> None:
    assert return_to(path) is None
    page = replace(PAGE, data=frozenset({data}))
    assert return_to(path, page=page) == f"https://app.example.com{path}"
    assert return_to(path, "other.example", page) == path


@pytest.mark.parametrize("path", ["/%2Fevil.example", "/%2f%2fevil.example"])
def test_an_encoded_slash_at_the_beginning_never_stands_alone(path: str) -> None:
    """A sign-in page that decodes twice would read //evil.example."""
    page = replace(PAGE, data=frozenset({"encoded_slash"}))
    assert return_to(path, "other.example", page) is None
    assert return_to(path, page=page) is None, "a sign-in page may take the host off"
    assert return_to(f"/a{path}", page=page) == f"https://app.example.com/a{path}"


@pytest.mark.parametrize(
    ("authority", "target", "is_it"),
    [
        ("app.example.com", "/sign-in", True),
        ("app.example.com:443", "/sign-in/?return_to=x", True),
        ("app.example.com", "/sign-in/help", False),
        ("app.example.com:8443", "/sign-in", False),
        ("www.example.com", "/sign-in", False),
    ],
)
def test_a_request_for_the_sign_in_page_itself_is_known(authority: str, target: str, *, is_it: bool) -> None:
    assert PAGE.is_for(asked(target, authority)) is is_it


@pytest.mark.parametrize(
    ("scheme", "port", "key"),
    [("https", 443, None), ("http", 80, None), ("https", 80, 80), ("http", 443, 443), ("https", None, None)],
)
def test_a_port_counts_unless_the_scheme_implies_it(scheme: str, port: int | None, key: int | None) -> None:
    assert port_key(scheme, port) == key


def test_the_method_and_the_headers_play_no_part() -> None:
    headers = request_with(
        ("X-Forwarded-Host", "evil.example"), ("Host", "evil.example"), ("Referer", "https://e/")
    ).headers
    request = make_request(
        method="HEAD", scheme="wss", authority="app.example.com", target="/t", headers=headers, adapter="test"
    )
    assert PAGE.location(request) == PAGE.location(asked("/t"))
