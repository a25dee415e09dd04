"""Whether the requests of one match are all, or in part, requests of another.

A request is in a match if it is in every dimension, so the dimensions are compared one by one. Paths are compared in
their one reading, and a field in a pattern stands for any segment.

`covers` may miss that several values together cover one value of the other match, never the reverse. `overlaps` is
exact.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import TYPE_CHECKING

from authgate.core.paths import fold

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authgate.core.paths import PathPattern, PatternSegment
    from authgate.core.policy import Match

_Network = IPv4Network | IPv6Network


def covers(wide: Match, narrow: Match) -> bool:
    """Whether *wide* matches every request that *narrow* matches."""
    return (
        (not wide.methods or (bool(narrow.methods) and narrow.methods <= wide.methods))
        and (not wide.hosts or (bool(narrow.hosts) and all(_host_in(host, wide.hosts) for host in narrow.hosts)))
        and (not wide.paths or _paths_cover(wide, narrow))
        and (not wide.clients or (bool(narrow.clients) and _clients_cover(wide.clients, narrow.clients)))
    )


def overlaps(one: Match, other: Match) -> bool:
    """Whether there is a request that both *one* and *other* match."""
    return (
        (not one.methods or not other.methods or not one.methods.isdisjoint(other.methods))
        and (not one.hosts or not other.hosts or any(_hosts_meet(a, b) for a in one.hosts for b in other.hosts))
        and (not one.paths or not other.paths or _paths_meet(one, other))
        and (not one.clients or not other.clients or _clients_meet(one.clients, other.clients))
    )


def _host_in(host: str, wide: Iterable[str]) -> bool:
    """Whether one of *wide* matches every host that *host*, a name or a wildcard, matches."""
    return any(host == other or (other.startswith("*.") and host.endswith(other[1:])) for other in wide)


def _hosts_meet(one: str, other: str) -> bool:
    return _host_in(one, (other,)) or _host_in(other, (one,))


def _clients_cover(wide: Iterable[_Network], narrow: Iterable[_Network]) -> bool:
    # Collapsed, because two halves together are the whole network.
    whole: list[_Network] = [
        *collapse_addresses(network for network in wide if isinstance(network, IPv4Network)),
        *collapse_addresses(network for network in wide if isinstance(network, IPv6Network)),
    ]
    return all(any(_within(network, other) for other in whole) for network in narrow)


def _clients_meet(one: Iterable[_Network], other: Iterable[_Network]) -> bool:
    return any(_within(a, b) or _within(b, a) for a in one for b in other)


def _within(network: _Network, other: _Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(other, IPv4Network) and network.subnet_of(other)
    return isinstance(other, IPv6Network) and network.subnet_of(other)


def _paths_cover(wide: Match, narrow: Match) -> bool:
    if any(pattern.has_rest and not pattern.segments for pattern in wide.paths):
        return True  # "/**"
    return bool(narrow.paths) and all(
        any(_pattern_covers(pattern, other, exactly=(wide.exactly, narrow.exactly)) for pattern in wide.paths)
        for other in narrow.paths
    )


def _pattern_covers(wide: PathPattern, narrow: PathPattern, *, exactly: tuple[bool, bool]) -> bool:
    """Whether *wide* matches every path that *narrow* matches. *exactly*: whether each of them compares exactly."""
    wide_exactly, narrow_exactly = exactly
    count = len(narrow.segments)
    if len(wide.segments) > count or (not wide.has_rest and (narrow.has_rest or len(wide.segments) < count)):
        return False
    # "/" has no trailing slash, so it is the same for both.
    if wide_exactly and not wide.has_rest and count and not narrow_exactly:
        return False
    if wide_exactly and not wide.has_rest and wide.trailing_slash != narrow.trailing_slash:
        return False
    return all(
        _segment_covers(wanted, other, exactly=exactly)
        for wanted, other in zip(wide.segments, narrow.segments, strict=False)
    )


def _segment_covers(wide: PatternSegment, narrow: PatternSegment, *, exactly: tuple[bool, bool]) -> bool:
    wide_exactly, narrow_exactly = exactly
    if not isinstance(wide, str):
        return True
    if not isinstance(narrow, str):
        return False
    if not wide_exactly:
        return fold(wide) == fold(narrow)
    has_letters = any(character.isascii() and character.isalpha() for character in narrow)
    return wide == narrow and (narrow_exactly or not has_letters)


def _paths_meet(one: Match, other: Match) -> bool:
    both_exactly = one.exactly and other.exactly
    return any(_patterns_meet(a, b, exactly=both_exactly) for a in one.paths for b in other.paths)


def _patterns_meet(one: PathPattern, other: PathPattern, *, exactly: bool) -> bool:
    """Whether a path matches both. *exactly*: both are compared exactly; otherwise one of them matches every case."""
    longer = len(one.segments) - len(other.segments)
    if (longer > 0 and not other.has_rest) or (longer < 0 and not one.has_rest):
        return False
    if exactly and not one.has_rest and not other.has_rest and one.trailing_slash != other.trailing_slash:
        return False
    return all(
        not isinstance(a, str) or not isinstance(b, str) or a == b or (not exactly and fold(a) == fold(b))
        for a, b in zip(one.segments, other.segments, strict=False)
    )
