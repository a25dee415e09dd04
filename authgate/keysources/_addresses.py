"""Addresses that a host name, or a URL found in a document, must not lead to (server-side request forgery, J6)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

IPAddress: TypeAlias = IPv4Address | IPv6Address

# Metadata services of clouds, which return credentials. Most are at the link-local 169.254.169.254; these are not.
_METADATA: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(network)
    for network in (
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure's WireServer
        "192.0.0.192/32",  # Oracle Cloud Classic
        "fd00:ec2::/32",  # AWS
        "fd00:c1::/32",  # Oracle Cloud
        "fd00:42::/32",  # Scaleway
        "fd20:ce::/32",  # Google Cloud
    )
)
# IPv6 networks whose last 32 bits are an IPv4 address, besides the mapped ones that Python knows.
_LAST_32_BITS = tuple(
    ip_network(network)
    for network in (
        "64:ff9b::/96",  # NAT64, RFC 6052 §2.1
        "::ffff:0:0:0/96",  # translated, RFC 2765 §2.1
        "::/96",  # compatible, RFC 4291 §2.5.5.1, deprecated
    )
)
# NAT64 of the local network (RFC 8215). The position of the IPv4 address in it depends on the network.
_LOCAL_NAT64 = ip_network("64:ff9b:1::/48")
_NOWHERE = (ip_network("0.0.0.0/8"), ip_network("255.255.255.255/32"))


def literal(host: str) -> IPAddress | None:
    """Return *host* as an address, None if it is a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def is_this_machine(host: str) -> bool:
    """Return whether *host* is a loopback address or localhost (RFC 6761 §6.3). Resolves nothing."""
    address = literal(host)
    return address.is_loopback if address is not None else host.lower() == "localhost"


def forbidden_kind(address: IPAddress, *, loopback_allowed: bool) -> str | None:
    """Return the kind of a forbidden *address* or of an IPv4 address inside it, None if it is allowed."""
    for candidate in (address, *_embedded(address)):
        if candidate.is_link_local:
            return "a link-local address, where clouds keep credentials"
        if any(candidate in network for network in _METADATA):
            return "the address of a cloud's metadata service"
        if candidate in _LOCAL_NAT64:
            return "a translated address of this network"
        if candidate.is_loopback and not loopback_allowed:
            return "a loopback address"
        if candidate.is_unspecified or candidate.is_multicast or any(candidate in network for network in _NOWHERE):
            return "not the address of a host"
    return None


def _embedded(address: IPAddress) -> tuple[IPv4Address, ...]:
    if isinstance(address, IPv4Address):
        return ()
    embedded = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    is_isatap = int(address) >> 32 & 0xFFFFFFFF in {0x00005EFE, 0x02005EFE}  # RFC 5214 §6.1
    if is_isatap or (int(address) > 1 and any(address in network for network in _LAST_32_BITS)):  # ::1 is itself
        embedded.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(candidate for candidate in embedded if candidate is not None)
