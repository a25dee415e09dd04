"""The file for Caddy. What the real Caddy does with it is in tests/e2e/test_caddy.py."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from authgate.core.header_names import MARKS
from authgate.core.spellings import SPELLINGS
from authgate.proxies.caddy.generator import cookie, files
from authgate.proxies.settings import ProxySettings, default_settings

ROOT = Path(__file__).parents[2]


def text(settings: ProxySettings) -> str:
    (content,) = files(settings).values()
    return content


def test_the_shipped_file_is_the_generated_one() -> None:
    for name, content in files(default_settings()).items():
        assert (ROOT / "deploy" / "caddy" / name).read_text() == content, (
            "run: authgate proxy caddy --defaults --output deploy/caddy"
        )


def test_every_header_is_copied_once_and_removed_once() -> None:
    lines = text(replace(default_settings(), identity_headers=("X-One", "X-Two"))).split("\n")
    for name in ("X-One", "X-Two", "X-User-Id"):
        assert lines.count(f"\t\t\tcopy_headers {name}") == 1
        assert lines.count(f"\trequest_header -{name}") == 1


def test_what_is_data_is_refused_by_public_routes_only() -> None:
    refused = tuple(spelling for spelling in SPELLINGS if spelling.setting is None)
    content = text(replace(default_settings(), refused=refused))
    public = content.partition("(authgate_public) {\n")[2].partition("\n}\n")[0]
    clean = content.partition("(authgate_clean) {\n")[2]
    for spelling in SPELLINGS:
        assert (f'"{spelling.name}"' in clean) is (spelling in refused)
        assert (f'"{spelling.name}"' in public) is (spelling not in refused)


def test_connect_is_refused_by_every_route() -> None:
    """Caddy turns the CONNECT of a WebSocket over HTTP/3 into a GET, after it has asked AuthGate about CONNECT."""
    clean = text(default_settings()).partition("\n(authgate_clean) {\n")[2].partition("\n}\n")[0]
    assert "\t@authgate_connect method CONNECT\n\thandle @authgate_connect {\n\t\timport authgate_ambiguous" in clean
    for snippet in ("authgate", "authgate_public"):
        body = text(default_settings()).partition(f"\n({snippet}) {{\n")[2].partition("\n}\n")[0]
        assert "\timport authgate_clean\n" in body


def test_without_cookies_only_the_cookie_of_authgate_itself_is_removed() -> None:
    settings = replace(default_settings(), cookies=(), credential_headers=("X-Token",))
    strip = text(settings).partition("(authgate_strip) {\n")[2]
    assert strip.startswith("\trequest_header -X-Token\n\trequest_header Cookie ")
    removed = re.compile(cookie(settings))
    assert not removed.search("access_token=1; a=authgate_redirects=1; my_authgate_redirects=1")
    assert removed.sub("", "a=1; authgate_redirects=1; __Host-authgate_redirects=1; b=2") == "a=1; b=2"


def test_a_header_with_a_mark_never_reaches_the_strip_option() -> None:
    """Caddy would read the last of these as a pattern for every header that begins with X."""
    names = tuple(f"X{mark}" for mark in MARKS)
    strip = text(replace(default_settings(), credential_headers=names)).partition("(authgate_strip) {\n")[2]
    assert strip.startswith("\trequest_header Cookie ")


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("authgate:4190", "http://authgate:4190"),
        ("[::1]:4190", "http://[::1]:4190"),
        ("https://authgate.internal:4190", "https://authgate.internal:4190"),
        ("unix:/run/authgate/authgate.sock", "unix//run/authgate/authgate.sock"),
    ],
)
def test_the_address_is_a_default(address: str, written: str) -> None:
    assert f"forward_auth {{$AUTHGATE_URL:{written}}} {{" in text(default_settings(address))
