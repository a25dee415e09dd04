"""X-Forwarded-For. The input: a line that chooses the trusted networks, then one line for each header line.

A client can write anything into this header, at the left. So the client's address is one right of which only trusted
proxies stand.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from authgate.adapters import ADAPTERS, TrustedProxies
from authgate.adapters._subrequest import MAX_ADDRESS_CHARACTERS, MAX_FORWARDED_FOR
from authgate.core.subrequest import Subrequest
from tests.fuzz.inputs import chosen, lines_of, received
from tests.support.serving import described

if TYPE_CHECKING:
    from authgate.core.request import IPAddress

WORDS = (
    *(b"10.0.0.1", b"192.0.2.1", b"::1", b"fd00::1", b"::ffff:10.0.0.1", b"::ffff:192.0.2.1", b"2001:db8::1"),
    *(b", ", b",", b"unknown", b"10.0.0.1:80", b"[::1]", b"%eth0", b"010.0.0.1", b"127.1", b"\t", b"\xc2\xa0"),
)

_NETWORKS = tuple(
    TrustedProxies(networks=tuple(map(ip_network, networks)))
    for networks in ((), ("10.0.0.0/8", "fd00::/8"), ("10.0.0.1/32", "::1/128"), ("0.0.0.0/0",), ("::/0", "10.0.0.0/8"))
)


def check(data: bytes) -> None:
    first, *rest = lines_of(data)
    trusted = chosen(first[:1], _NETWORKS)
    lines = [("X-Forwarded-For", received(line)) for line in rest]
    expected = _reference([value for _, value in lines], trusted)
    assert trusted.client_ip(CIMultiDict(lines)) == expected
    for adapter in ADAPTERS.values():
        # What other headers say about the client never counts.
        others = [("Forwarded", "for=192.0.2.66"), ("X-Real-IP", "192.0.2.66"), ("X-Client-IP", "192.0.2.66")]
        headers = CIMultiDict([*described(adapter.name), *lines, *others])
        assert adapter.read(Subrequest.of(headers), trusted, frozenset()).client_ip == expected


def _reference(values: list[str], trusted: TrustedProxies) -> IPAddress | None:
    """Return the client's address as the documentation describes it."""
    listed = [text.strip() for value in values for text in value.split(",")][-MAX_FORWARDED_FOR:]
    hops: list[IPAddress] = []  # what follows the last text that is not an address
    for text in listed:
        address = _address(text)
        hops = [] if address is None else [*hops, address]
    outsiders = [hop for hop in hops if not any(hop in network for network in trusted.networks)]
    return outsiders[-1] if outsiders else hops[0] if hops else None


def _address(text: str) -> IPAddress | None:
    if len(text) > MAX_ADDRESS_CHARACTERS:  # "fe80::1%" and a long name of an interface
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
