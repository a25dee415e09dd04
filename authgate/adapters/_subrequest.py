"""What every adapter needs to read a subrequest: trust in its peer, and headers that can be read in one way only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, TypeAlias

from authgate.core.errors import Unreadable
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.core.request import Headers, IPAddress

IPNetwork: TypeAlias = IPv4Network | IPv6Network

# No deployment has more hops; reading stops there (a client may send any number).
MAX_FORWARDED_FOR = 32
# The longest are IPv6 addresses with an IPv4 address within (45) and the name of an interface (15) after "%".
MAX_ADDRESS_CHARACTERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedProxies:
    """The networks whose word is believed about the client's request."""

    networks: tuple[IPNetwork, ...]

    def __contains__(self, address: IPAddress) -> bool:
        return any(address in network for network in self.networks)

    def check(self, peer: IPAddress | None) -> None:
        """Refuse a *peer* that is not trusted. None is the peer of a unix socket: trusted by the file's permissions."""
        if peer is not None and peer not in self:
            raise Unreadable(
                Reason.UNTRUSTED_PROXY,
                f"the peer {peer} is not in trusted_proxies",
                fix=f"if {peer} is your reverse proxy, add it: trusted_proxies: [{peer}]",
            )

    def client_ip(self, headers: Headers) -> IPAddress | None:
        """Return the rightmost address of X-Forwarded-For that is no trusted proxy, None where it does not tell.

        Only what trusted proxies appended is read: left of the first foreign address everything is the client's word.
        """
        addresses = ",".join(headers.getall("X-Forwarded-For", ())).split(",")[-MAX_FORWARDED_FOR:]
        client: IPAddress | None = None
        for text in reversed(addresses):
            address = parse_address(text.strip())
            if address is None:
                break
            client = address
            if address not in self:
                break
        return client


def parse_address(text: str) -> IPAddress | None:
    """Return *text* as an IP address, ::ffff:a.b.c.d as a.b.c.d; None for anything else."""
    return _parse_address(text) if len(text) <= MAX_ADDRESS_CHARACTERS else None


# The same proxies and clients come again and again, and ipaddress takes a third of the time of reading a subrequest.
@lru_cache(maxsize=4096)
def _parse_address(text: str) -> IPAddress | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address


def required(headers: Headers, name: str, fix: str) -> str:
    """Return the value of the header *name*, which must have come exactly once; *fix* tells how to make it so."""
    values = headers.getall(name, ())
    if len(values) != 1:
        came = "is missing" if not values else f"came {len(values)} times"
        raise Unreadable(Reason.UNREADABLE_REQUEST, f"the header {name} {came}", fix=fix)
    return values[0]


def refuse_look_alikes(headers: Headers, guarded: frozenset[str]) -> None:
    """Refuse header names that something behind may take for one of *guarded* (lower-case names).

    WSGI and CGI servers read X_User_Id as X-User-Id, some of them X~User~Id too (H2); `Connection: x-user-id` has the
    next hop delete it (H4).
    """
    # Of letters and digits with one "-" between them a name looks like itself only, as nearly all do: one look at all
    # of them takes half the time of a look at each (2 µs for 18 names).
    names = "-".join(headers)
    if "--" in names or names[-1:] == "-" or not (names.isascii() and names.replace("-", "").isalnum()):
        for name in headers:
            if name.lower() not in guarded and _folded(name) in guarded:
                raise Unreadable(
                    Reason.UNREADABLE_REQUEST,
                    f"the header {name!a} looks like {_folded(name)}",
                    fix='have the proxy drop header names with other characters than letters, digits and "-"',
                )
    for value in headers.getall("Connection", ()):
        named = {_folded(token) for token in value.split(",")} & guarded
        if named:
            raise Unreadable(Reason.UNREADABLE_REQUEST, f"the header Connection names {', '.join(sorted(named))}")


_MARK = re.compile(r"[^a-z0-9]")


def _folded(name: str) -> str:
    """Return *name* as the most lenient reader takes it: in lower case, "-" for each mark, none at the end."""
    return _MARK.sub("-", name.strip().lower()).rstrip("-")


def guarded_names(read: Sequence[str], emitted: Sequence[str]) -> frozenset[str]:
    """Return the lower-case names that nothing may imitate: those an adapter reads and those it emits."""
    return frozenset(name.lower() for name in (*read, *emitted, "Authorization", "Cookie"))
