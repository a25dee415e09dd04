"""Addresses that AuthGate does not connect to when a name resolves to them (J6)."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from authgate.keysources._addresses import forbidden_kind, literal

LINK_LOCAL = "a link-local address, where clouds keep credentials"
METADATA = "the address of a cloud's metadata service"
NO_HOST = "not the address of a host"
LOOPBACK = "a loopback address"

FORBIDDEN = {
    "169.254.169.254": LINK_LOCAL,
    "169.254.0.1": LINK_LOCAL,
    "169.254.170.2": LINK_LOCAL,  # Amazon ECS
    "fe80::1": LINK_LOCAL,
    "fe80::a9fe:a9fe%eth0": LINK_LOCAL,
    "febf::1": LINK_LOCAL,
    "100.100.100.200": METADATA,
    "168.63.129.16": METADATA,
    "192.0.0.192": METADATA,
    "fd00:ec2::254": METADATA,
    "fd20:ce::254": METADATA,
    # the same addresses embedded in IPv6
    "::ffff:169.254.169.254": LINK_LOCAL,
    "::169.254.169.254": LINK_LOCAL,
    "::ffff:0:169.254.169.254": LINK_LOCAL,
    "64:ff9b::169.254.169.254": LINK_LOCAL,
    "64:ff9b:1::169.254.169.254": "a translated address of this network",
    "64:ff9b:1:a9fe:a9:fe00:101:101": "a translated address of this network",
    "2001:db8::5efe:169.254.169.254": LINK_LOCAL,
    "fd00:c1::a9fe:a9fe": METADATA,
    "fd00:42::42": METADATA,
    "2002:a9fe:a9fe::1": LINK_LOCAL,  # 6to4
    "2001:0:a9fe:a9fe::1": LINK_LOCAL,  # Teredo's server
    "2001:0:4136:e378:8000:63bf:5601:5601": LINK_LOCAL,  # Teredo's client, inverted
    "::ffff:100.100.100.200": METADATA,
    "64:ff9b::6464:64c8": METADATA,
    "0.0.0.0": NO_HOST,
    "0.1.2.3": NO_HOST,
    "::": NO_HOST,
    "::ffff:0.0.0.0": NO_HOST,
    "224.0.0.1": NO_HOST,
    "239.255.255.250": NO_HOST,
    "ff02::1": NO_HOST,
    "255.255.255.255": NO_HOST,
    "::ffff:255.255.255.255": NO_HOST,
}
LOOPBACK_ADDRESSES = [
    "127.0.0.1",
    "127.8.8.8",
    "::1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::1",
]
ALLOWED = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "93.184.215.14",
    "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
    "fd12:3456::1",
    "::ffff:10.0.0.1",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]


@pytest.mark.parametrize(("address", "kind"), FORBIDDEN.items(), ids=FORBIDDEN)
@pytest.mark.parametrize("loopback_allowed", [True, False])
def test_j6_an_address_is_forbidden(address: str, kind: str, loopback_allowed: bool) -> None:  # noqa: FBT001 - a case
    assert forbidden_kind(ip_address(address), loopback_allowed=loopback_allowed) == kind


@pytest.mark.parametrize("address", LOOPBACK_ADDRESSES)
def test_j6_a_loopback_address_is_forbidden_unless_allowed(address: str) -> None:
    assert forbidden_kind(ip_address(address), loopback_allowed=False) == LOOPBACK
    assert forbidden_kind(ip_address(address), loopback_allowed=True) is None


@pytest.mark.parametrize("address", ALLOWED)
def test_any_other_address_is_allowed(address: str) -> None:
    assert forbidden_kind(ip_address(address), loopback_allowed=False) is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("issuer.example", None),
        ("127.1", None),
        ("2130706433", None),
        ("", None),
    ],
)
def test_only_the_canonical_form_of_an_address_is_one(host: str, expected: str | None) -> None:
    assert literal(host) == (ip_address(expected) if expected else None)
