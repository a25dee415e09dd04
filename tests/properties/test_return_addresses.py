"""Whatever a request looks like, its return address leads to a host that the configuration names (P10)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate.adapters import ADAPTERS
from authgate.core.sign_in import MAX_RETURN_BYTES, SignIn
from tests.support.deciding import make_snapshot
from tests.support.naive_sign_in import answer, location, places

if TYPE_CHECKING:
    from authgate.core.snapshot import Snapshot

HOME = "app.example.com"
DATA = frozenset({"encoded_slash", "semicolon"})
PAGES = [
    SignIn(
        url=url,
        host="id.example.com",
        port=None,
        path="/sign-in",
        parameter="return_to",
        return_hosts=frozenset({(HOME, None), ("[::1]", 8443)}),
        data=data,
    )
    for url in ("https://id.example.com/sign-in", "https://id.example.com/sign-in?a=%26b")
    for data in (frozenset[str](), DATA)
]
SNAPSHOTS = [make_snapshot(sign_in=page) for page in PAGES]
SAFE = {
    "https://id.example.com",
    *(f"{scheme}://{host}" for scheme in ("http", "https") for host in (HOME, "[::1]:8443")),
}

# What paths and hosts of attackers are made of.
PARTS = st.sampled_from(
    [
        *"/\\.;:@?&#%=\t\r\n \0'\"<>${}[]*,",
        *("//", "/\\", "..", "%2f", "%2F", "%5c", "%25", "%2e", "%3f", "%23", "%26", "2f", "5c"),
        *("%09", "%0d%0a", "%00", "%40", "%c0%af", "%ef%bc%8f", "\uff0f", "\u2028", "\u202e", "\udcff"),
        *("https:", "javascript:", "evil.example", HOME, "return_to=", "max_age=", "a", "1", "443", "xn--", "[::1]"),
    ]
)
TEXT = st.lists(PARTS | st.characters(codec="utf-8"), max_size=12).map("".join)
HOSTS = st.sampled_from([HOME, f"{HOME}:8443", "[::1]:8443", "[::1]", "other.example", "evil.example:443"]) | TEXT


@pytest.mark.parametrize("proxy", ADAPTERS)
@given(
    start=st.sampled_from(["/", "/", ""]), target=TEXT, host=HOSTS, scheme=st.sampled_from(["https", "http", "wss"]),
    snapshot=st.sampled_from(SNAPSHOTS),
)  # fmt: skip
def test_a_redirect_leads_to_the_sign_in_page_and_from_there_to_a_known_host(
    proxy: str, start: str, target: str, host: str, scheme: str, snapshot: Snapshot
) -> None:
    to = location(answer(proxy, snapshot, start + target, host, scheme))
    if to:
        assert {*places(to)} <= SAFE, to


@given(path=st.lists(st.sampled_from([*"abc-._~", "%20", "%C3%A9", "%3D", "%26", "/x"]), max_size=20).map("".join),
       query=st.text(st.characters(codec="ascii", exclude_characters="#\\", min_codepoint=0x21, max_codepoint=0x7E)),
       page=st.sampled_from(PAGES))  # fmt: skip
def test_a_sound_address_arrives_unchanged(path: str, query: str, page: SignIn) -> None:
    path = f"/x{path}"
    address = f"https://{HOME}{path}" + (f"?{query}" if query else "")
    to = location(answer("caddy", make_snapshot(sign_in=page), f"{path}?{query}", HOME))
    values = parse_qs(urlsplit(to).query).get("return_to", [])
    if values:
        assert values == [address]
        assert unquote(to.rpartition("return_to=")[2]) == address
    else:
        assert len(address) * 3 > MAX_RETURN_BYTES
