"""Which peers are trusted, and which address is the client's behind trusted proxies."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from multidict import CIMultiDict

from authgate.adapters import TrustedProxies, parse_address
from authgate.core.errors import Unreadable
from authgate.core.reasons import Reason

TRUSTED = TrustedProxies(networks=(ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("192.0.2.1/32")))


@pytest.mark.parametrize("peer", ["10.0.0.1", "10.255.255.255", "fd00::1", "192.0.2.1", "::ffff:10.1.2.3"])
def test_a_peer_in_a_trusted_network_is_trusted(peer: str) -> None:
    address = parse_address(peer)
    assert address is not None
    assert address in TRUSTED
    TRUSTED.check(address)


@pytest.mark.parametrize("peer", ["11.0.0.1", "192.0.2.2", "::1", "127.0.0.1", "::ffff:11.0.0.1", "::10.0.0.1"])
def test_any_other_peer_is_refused_and_the_fix_names_the_setting(peer: str) -> None:
    address = parse_address(peer)
    with pytest.raises(Unreadable) as unreadable:
        TRUSTED.check(address)
    assert unreadable.value.reason is Reason.UNTRUSTED_PROXY
    assert f"trusted_proxies: [{address}]" in unreadable.value.fix


def test_the_peer_of_a_unix_socket_is_trusted() -> None:
    TrustedProxies(networks=()).check(None)


def test_no_peer_is_trusted_without_networks() -> None:
    with pytest.raises(Unreadable):
        TrustedProxies(networks=()).check(ip_address("127.0.0.1"))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::FFFF:0a00:0001", "10.0.0.1"),
        ("", None),
        ("10.0.0.1:80", None),
        ("010.0.0.1", None),
        ("[::1]", None),
        ("unknown", None),
        ("10.0.0", None),
    ],
)
def test_an_address_is_parsed_and_a_mapped_one_becomes_an_ipv4_address(text: str, address: str | None) -> None:
    assert parse_address(text) == (None if address is None else ip_address(address))


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ((), None),
        (("",), None),
        (("203.0.113.7",), "203.0.113.7"),
        (("203.0.113.7, 10.0.0.1",), "203.0.113.7"),
        (("6.6.6.6, 203.0.113.7, 10.0.0.1, fd00::2",), "203.0.113.7"),
        (("203.0.113.7", "10.0.0.1"), "203.0.113.7"),
        (("203.0.113.7,10.0.0.1, ::ffff:10.0.0.3",), "203.0.113.7"),
        (("10.0.0.1",), "10.0.0.1"),
        (("10.0.0.2, 10.0.0.1",), "10.0.0.2"),
        (("6.6.6.6, unknown",), None),
        (("6.6.6.6, unknown, 10.0.0.1",), "10.0.0.1"),
        (("6.6.6.6" + ", 10.0.0.1" * 31,), "6.6.6.6"),
        (("6.6.6.6" + ", 10.0.0.1" * 32,), "10.0.0.1"),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_not_a_trusted_proxy(
    lines: tuple[str, ...], client: str | None
) -> None:
    headers = CIMultiDict([("X-Forwarded-For", line) for line in lines])
    assert TRUSTED.client_ip(headers) == (None if client is None else ip_address(client))
