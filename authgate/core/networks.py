"""Facts about networks: which of them are the same, and whether they are every address."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Network: TypeAlias = IPv4Network | IPv6Network

_MAPPED = IPv6Network("::ffff:0:0/96")


def unmapped(given: Network) -> Network:
    """Return ::ffff:10.0.0.0/104 as 10.0.0.0/8, because addresses are compared without that prefix, too."""
    if isinstance(given, IPv6Network) and given.subnet_of(_MAPPED):
        return IPv4Network((int(given.network_address) & 0xFFFF_FFFF, given.prefixlen - _MAPPED.prefixlen))
    return given


def networks_in(texts: Iterable[str]) -> Iterator[Network]:
    """Yield the networks in *texts* of another program, which may take 10.0.0.1/8 for 10.0.0.0/8. Skip other text."""
    for text in texts:
        with contextlib.suppress(ValueError):
            yield unmapped(ip_network(text, strict=False))


def every_address(networks: Iterable[Network]) -> Network | None:
    """Return 0.0.0.0/0 if *networks* together are every IPv4 address, ::/0 if every IPv6 address; else None."""
    # Collapsed, because 0.0.0.0/1 and 128.0.0.0/1 together are every address, too.
    given = tuple(networks)
    of_4 = collapse_addresses(network for network in given if isinstance(network, IPv4Network))
    of_6 = collapse_addresses(network for network in given if isinstance(network, IPv6Network))
    collapsed: list[Network] = [*of_4, *of_6]
    return next((network for network in collapsed if network.prefixlen == 0), None)
