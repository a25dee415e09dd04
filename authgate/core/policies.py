"""All policies: the first that matches a request decides; a request that none matches is refused.

`Policies` finds it through an index by host, method and first path segment, so a policy costs nothing on the path of
another. The index only narrows the choice down: the matchers of `Match` decide, for requests and for `explain` alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

from authgate.core.cors import preflight_method
from authgate.core.errors import Refused
from authgate.core.paths import Field, PathReading, fold
from authgate.core.policy import Match
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authgate.core.paths import Path, PathPattern
    from authgate.core.policy import Comparison, Policy
    from authgate.core.request import Request

# How many places one policy may have in the index. With more it is there under fewer dimensions, and is looked at for
# more requests.
_MAX_KEYS = 64
# The place of a policy in the index: host, method and first path segment. None stands for every one.
_Key: TypeAlias = tuple[str | None, str | None, str | None]
# The places of a request: those hosts of the index that fit, its method and its first segment if the index has them.
_Places: TypeAlias = tuple[tuple[str, ...], str | None, str | None]
# How many lists of policies to keep. Each has a pointer for every policy in it.
MAX_CACHED_LISTS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The policies in their order, and how to read paths. Paths are read only if a policy matches by path."""

    policies: tuple[Policy, ...]
    reading: PathReading = field(default_factory=PathReading)
    reads_paths: bool = field(init=False)
    _catch_all: tuple[Policy, tuple[()]] | None = field(init=False, repr=False, compare=False)
    _index: _Index = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build the index."""
        object.__setattr__(self, "_index", _Index(self.policies))
        is_only = len(self.policies) == 1 and self.policies[0].match == Match()
        object.__setattr__(self, "_catch_all", (self.policies[0], ()) if is_only else None)
        object.__setattr__(self, "reads_paths", any(policy.match.paths for policy in self.policies))

    def find(self, request: Request) -> tuple[Policy, tuple[Path, ...]]:
        """Return the first policy that matches *request*, and the readings of its path. Raises `Refused`.

        There is more than one reading only if a slash or a semicolon is data (`PathReading.read`), and none if no
        policy matches by path. A preflight meets the policy of the request that it announces.
        """
        if self._catch_all is not None:
            return self._catch_all
        if request.method == "OPTIONS":
            request = _announced(request)
        readings = self.reading.read(request.path) if self.reads_paths else ()
        policy = self._index.first(request, readings[0] if readings else None)
        for other in readings[1:]:
            if self._index.first(request, other) is not policy:
                raise Refused(
                    Reason.AMBIGUOUS_PATH,
                    "servers read its encoded slash or its semicolon differently, and meet other policies",
                )
        if policy is None:
            raise Refused(Reason.NO_POLICY, "no policy matches")
        if policy.match.clients and request.client_ip is None:
            raise Refused(
                Reason.NO_POLICY, f"policy {policy.name} matches by client, and the proxy sends no client address"
            )
        return policy, readings

    def looked_at(self, request: Request) -> Iterator[tuple[Policy, tuple[Comparison, ...]]]:
        """Yield every policy up to the first that matches, with its comparisons. Raises `Refused` for the path."""
        path = self.reading.read(request.path)[0] if self.reads_paths else None
        request = _announced(request)
        for policy in self.policies:
            yield policy, policy.match.compare(request, path)
            if policy.match.fits(request, path) is not False:
                return


class _Index:
    """The index of *policies*, which are in their order."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._entries: dict[_Key, tuple[tuple[int, Policy], ...]] = {}
        for position, policy in enumerate(policies):
            for key in dict.fromkeys(_keys(policy.match)):
                self._entries[key] = (*self._entries.get(key, ()), (position, policy))
        hosts = {host for host, _, _ in self._entries if host is not None}
        self._wildcards = frozenset(host for host in hosts if host.startswith("*."))
        self._hosts = {host: (host, *self._wildcards_of(host)) for host in hosts - self._wildcards}
        self._methods = frozenset(method for _, method, _ in self._entries)
        self._segments = frozenset(segment for _, _, segment in self._entries)
        # Only places of the index are keys, so it has no text of a client.
        self._lists: dict[_Places, tuple[Policy, ...]] = {}

    def __len__(self) -> int:
        """Return how many places of policies there are."""
        return len(self._entries)

    def first(self, request: Request, path: Path | None) -> Policy | None:
        """Return the first policy that fits. One that may fit, if the client's address were known, counts."""
        hosts = self._hosts.get(request.host, ())
        if not hosts and self._wildcards:
            hosts = self._wildcards_of(request.host)
        method = request.method if request.method in self._methods else None
        segment = None
        if path is not None:
            segment = path.folded[0] if path.folded else ""
            segment = segment if segment in self._segments else None
        listed = self._lists.get((hosts, method, segment))
        if listed is None:
            listed = self._list((hosts, method, segment))
        for policy in listed:
            if policy.match.fits(request, path) is not False:
                return policy
        return None

    def _list(self, places: _Places) -> tuple[Policy, ...]:
        """Return the policies at *places*, in their order. No other policy can fit a request with these places."""
        hosts, method, segment = places
        keys = dict.fromkeys(product((*hosts, None), (method, None), (segment, None)))
        found = dict(entry for key in keys for entry in self._entries.get(key, ()))
        if len(self._lists) >= MAX_CACHED_LISTS:
            self._lists.clear()
        listed = self._lists[places] = tuple(found[position] for position in sorted(found))
        return listed

    def _wildcards_of(self, host: str) -> tuple[str, ...]:
        """Return the wildcards of policies that *host* falls under: for a.b.example, *.b.example and *.example."""
        return tuple(
            wildcard
            for position, character in enumerate(host)
            if character == "." and (wildcard := f"*{host[position:]}") in self._wildcards
        )


def _announced(request: Request) -> Request:
    """Return the request that a preflight announces, with its method; *request* itself if it is not a preflight."""
    method = preflight_method(request)
    return replace(request, method=method) if method else request


def _keys(match: Match) -> Iterator[_Key]:
    """Yield the places of a policy with this *match*: few, although each dimension may have hundreds of values."""
    hosts: tuple[str | None, ...] = match.hosts or (None,)
    methods: tuple[str | None, ...] = tuple(match.methods) or (None,)
    segments = tuple(dict.fromkeys(map(first_segment, match.paths))) or (None,)
    if len(hosts) * len(segments) * len(methods) > _MAX_KEYS:
        methods = (None,)
    if len(hosts) * len(segments) > _MAX_KEYS:
        segments = (None,)
    yield from product(hosts, methods, segments)


def first_segment(pattern: PathPattern) -> str | None:
    """Return the first segment of *pattern* in lower case, "" for "/" alone; None if it may be any."""
    if not pattern.segments:
        return None if pattern.has_rest else ""
    first = pattern.segments[0]
    return None if first is None or isinstance(first, Field) else fold(first)
