"""Which addresses a name, or a URL that somebody else wrote, must not lead to (server-side request forgery, J6)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

IPAddress: TypeAlias = IPv4Address | IPv6Address

# Where clouds answer with credentials, besides the link-local 169.254.169.254 that most of them use.
_METADATA: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(one)
    for one in (
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure's WireServer
        "192.0.0.192/32",  # Oracle Cloud Classic
        "fd00:ec2::/32",  # AWS
        "fd00:c1::/32",  # Oracle Cloud
        "fd00:42::/32",  # Scaleway
        "fd20:ce::/32",  # Google Cloud
    )
)
# Where the last 32 bits are an IPv4 address, besides the mapped ones that Python knows.
_LAST_32_BITS = tuple(
    ip_network(one)
    for one in (
        "64:ff9b::/96",  # NAT64, RFC 6052 §2.1
        "::ffff:0:0:0/96",  # translated, RFC 2765 §2.1
        "::/96",  # compatible, RFC 4291 §2.5.5.1, deprecated
    )
)
# NAT64 of one's own network (RFC 8215): where in it the IPv4 address stands, nobody outside knows.
_OWN_NAT64 = ip_network("64:ff9b:1::/48")
_NOWHERE = (ip_network("0.0.0.0/8"), ip_network("255.255.255.255/32"))


def literal(host: str) -> IPAddress | None:
    """Return the address that *host* is, None where it is a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def is_this_machine(host: str) -> bool:
    """Say whether *host* is this machine by its very form: a loopback address, or localhost (RFC 6761 §6.3)."""
    address = literal(host)
    return address.is_loopback if address is not None else host.lower() == "localhost"


def why_forbidden(address: IPAddress, *, loopback_allowed: bool) -> str | None:
    """Return what *address* is that nobody's name may lead to, or None. Looks through IPv4 within IPv6."""
    for one in (address, *_embedded(address)):
        if one.is_link_local:
            return "a link-local address, where clouds keep credentials"
        if any(one in network for network in _METADATA):
            return "the address of a cloud's metadata service"
        if one in _OWN_NAT64:
            return "a translated address of this network"
        if one.is_loopback and not loopback_allowed:
            return "a loopback address"
        if one.is_unspecified or one.is_multicast or any(one in network for network in _NOWHERE):
            return "no address of one host"
    return None


def _embedded(address: IPAddress) -> tuple[IPv4Address, ...]:
    if isinstance(address, IPv4Address):
        return ()
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    is_isatap = int(address) >> 32 & 0xFFFFFFFF in {0x00005EFE, 0x02005EFE}  # RFC 5214 §6.1
    if is_isatap or (int(address) > 1 and any(address in network for network in _LAST_32_BITS)):  # ::1 is itself
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(one for one in found if one is not None)
