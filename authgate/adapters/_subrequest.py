"""Read subrequests, for all adapters: check that the peer is trusted and that the headers are unambiguous."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, TypeAlias

from authgate.core.errors import Unreadable
from authgate.core.header_names import folded
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.core.request import Headers, IPAddress
    from authgate.core.subrequest import Subrequest

IPNetwork: TypeAlias = IPv4Network | IPv6Network

# How many addresses of X-Forwarded-For to read. A client can send any number; no deployment has more hops.
MAX_FORWARDED_FOR = 32
# How many headers Connection may name. Browsers name one or two, such as "keep-alive, Upgrade".
MAX_CONNECTION_TOKENS = 32
# The longest address is an IPv6 address that ends with an IPv4 address (45), with "%" and an interface name (15).
MAX_ADDRESS_CHARACTERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedProxies:
    """The networks of the proxies that may describe a client's request."""

    networks: tuple[IPNetwork, ...]
    # For each version and length of prefixes: by how many bits to shift an address, and the prefixes. So a check takes
    # as many steps as there are lengths, not networks.
    _prefixes: tuple[tuple[int, int, frozenset[int]], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Group the networks by the lengths of their prefixes."""
        found: dict[tuple[int, int], set[int]] = {}
        for network in self.networks:
            shift = network.max_prefixlen - network.prefixlen
            found.setdefault((network.version, shift), set()).add(int(network.network_address) >> shift)
        prefixes = tuple((version, shift, frozenset(those)) for (version, shift), those in found.items())
        object.__setattr__(self, "_prefixes", prefixes)

    def __contains__(self, address: IPAddress) -> bool:
        number, its_version = int(address), address.version
        for version, shift, prefixes in self._prefixes:
            if version == its_version and number >> shift in prefixes:
                return True
        return False

    def check(self, peer: IPAddress | None) -> None:
        """Refuse a *peer* that is not trusted. None is the peer of a unix socket; its file permissions protect it."""
        if peer is not None and peer not in self:
            raise Unreadable(
                Reason.UNTRUSTED_PROXY,
                f"the peer {peer} is not in trusted_proxies",
                fix=f"if {peer} is your reverse proxy, add it: trusted_proxies: [{peer}]",
            )

    def client_ip(self, headers: Headers) -> IPAddress | None:
        """Return the rightmost address in X-Forwarded-For that is not a trusted proxy; None if there is no address.

        The client can forge everything to the left of that address. If all addresses are trusted, this is the leftmost.
        """
        lines = headers.getall("x-forwarded-for", ())
        if len(lines) == 1 and "," not in lines[0]:
            text = lines[0].strip()
            return _parse_address(text) if len(text) <= MAX_ADDRESS_CHARACTERS else None
        addresses = ",".join(lines).rsplit(",", MAX_FORWARDED_FOR)
        client: IPAddress | None = None
        for text in reversed(addresses[-MAX_FORWARDED_FOR:]):
            address = parse_address(text.strip())
            if address is None:
                break
            client = address
            if address not in self:
                break
        return client


def parse_address(text: str) -> IPAddress | None:
    """Return *text* as an IP address, and ::ffff:a.b.c.d as a.b.c.d; None for anything else."""
    return _parse_address(text) if len(text) <= MAX_ADDRESS_CHARACTERS else None


# Cached, because most addresses repeat and ipaddress takes a third of the time of reading a subrequest.
@lru_cache(maxsize=4096)
def _parse_address(text: str) -> IPAddress | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address


def missing(headers: Headers, names: Sequence[str], fix: str) -> Unreadable:
    """Return the refusal, with *fix*, for the first of the headers *names* that was not sent exactly once."""
    counts = ((name, len(headers.getall(name.lower(), ()))) for name in names)
    name, count = next((name, count) for name, count in counts if count != 1)
    problem = "is missing" if not count else f"was sent {count} times"
    return Unreadable(Reason.UNREADABLE_REQUEST, f"the header {name} {problem}", fix=fix)


def refuse_look_alikes(subrequest: Subrequest, guarded: frozenset[str]) -> None:
    """Refuse header names that an upstream may read as one of *guarded* (lower-case names).

    WSGI and CGI servers read X_User_Id as X-User-Id, and some also read X~User~Id as X-User-Id (H2).
    `Connection: x-user-id` makes the next hop delete that header (H4). A plain subrequest has neither.
    """
    headers = subrequest.headers
    for name in headers:
        if name.lower() not in guarded and folded(name) in guarded:
            raise Unreadable(
                Reason.UNREADABLE_REQUEST,
                f"the header {name!a} looks like {folded(name)}",
                fix='make the proxy drop headers whose names have characters other than letters, digits and "-"',
            )
    for value in headers.getall("connection", ()):
        tokens = value.split(",", MAX_CONNECTION_TOKENS)
        if len(tokens) > MAX_CONNECTION_TOKENS:
            raise Unreadable(
                Reason.UNREADABLE_REQUEST,
                f"the header Connection names over {MAX_CONNECTION_TOKENS} headers",
                fix="make the proxy write its own Connection, as the shipped files do",
            )
        if named := {folded(token) for token in tokens} & guarded:
            raise Unreadable(Reason.UNREADABLE_REQUEST, f"the header Connection names {', '.join(sorted(named))}")
