"""The policies that AuthGate looks at for one request: which of them match, and why the others do not.

Everything comes from `Policies.looked_at`, which uses the matchers that decide.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any, NamedTuple

from authgate.cli._policy_text import methods_text, paths_text, shortened, value_text
from authgate.core.errors import Refused
from authgate.core.paths import PathPattern, fold
from authgate.core.quoting import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from authgate.core.policies import Policies
    from authgate.core.policy import Comparison, Match, Policy
    from authgate.core.request import Request

# How many policies the text shows that do not match. The JSON has all of them.
MAX_SHOWN = 12
# From which similarity on a first segment may be a misspelling of another: healthz and helthz have 0.92.
_SIMILAR = 0.75


class LookedAt(NamedTuple):
    """One policy and how each dimension of its match compares with the request."""

    policy: Policy
    comparisons: tuple[Comparison, ...]

    @property
    def misfits(self) -> tuple[Comparison, ...]:
        """The dimensions that do not fit, or whose value is unknown."""
        return tuple(comparison for comparison in self.comparisons if comparison.fits is not True)

    @property
    def matches(self) -> bool | None:
        """Whether the policy matches. None if only the client's address decides, and it is unknown."""
        fits = [comparison.fits for comparison in self.misfits]
        return False if False in fits else None if fits else True


class _Words(NamedTuple):
    """How a dimension of a match is named and written."""

    name: str
    expected: Callable[[Match], str]


_WORDS: Mapping[str, _Words] = {
    "hosts": _Words("host", lambda match: ", ".join(match.hosts)),
    "methods": _Words("method", methods_text),
    "paths": _Words("path", paths_text),
    "clients": _Words("client", lambda match: value_text(match.clients)),
}


def look(policies: Policies, request: Request) -> tuple[LookedAt, ...]:
    """Return every policy up to the first that matches *request*; none if its path is ambiguous."""
    try:
        return tuple(LookedAt(policy, comparisons) for policy, comparisons in policies.looked_at(request))
    except Refused:
        return ()


def lines(looked: Sequence[LookedAt], request: Request) -> list[str]:
    """Return a line for each policy, with both values of what does not fit. Far ones are counted if there are many."""
    shown = _near(looked, request)
    width = min(24, max((len(one.policy.name) for one in shown), default=0))
    text = [f"{one.policy.name:<{width}}  {_verdict(one)}" for one in shown]
    if left_out := len(looked) - len(shown):
        end = len(text) - 1 if shown and shown[-1].matches else len(text)
        text.insert(end, f"… and {left_out} more that do not match: --json lists all")
    return text


def _verdict(one: LookedAt) -> str:
    match = one.policy.match
    if one.matches:
        return f"matches: {'; '.join(_expected(match, each) for each in one.comparisons) or 'every request'}"
    return "; ".join(
        f"{_expected(match, each)}, and the proxy sends no address"
        if each.fits is None
        else f"{_expected(match, each)} is not {_actual(each.actual)}"
        for each in one.misfits
    )


def _expected(match: Match, comparison: Comparison) -> str:
    words = _WORDS[comparison.dimension]
    return f"{words.name} {shortened(words.expected(match))}"


def _actual(value: object) -> str:
    return shortened(escaped(str(value)))


def _near(looked: Sequence[LookedAt], request: Request) -> Sequence[LookedAt]:
    """Return those of *looked* to show: all if they are few, else the one that ends the search and the nearest."""
    if len(looked) <= MAX_SHOWN + 1:
        return looked
    segments = fold(request.path).strip("/").split("/")
    others, ends = (looked, ()) if looked[-1].matches is False else (looked[:-1], looked[-1:])
    nearness = {position: _nearness(one, segments) for position, one in enumerate(others)}
    near = sorted((position for position in nearness if nearness[position]), key=lambda p: (-nearness[p], p))
    return [*(looked[position] for position in sorted(near[:MAX_SHOWN])), *ends]


def _nearness(one: LookedAt, segments: list[str]) -> int:
    """Return how many segments of the path a policy shares; more if its path fits, and 0 if it is about others."""
    if all(misfit.dimension != "paths" for misfit in one.misfits):
        return len(segments) + (1 if one.policy.match.paths else 0)
    return max(_shared(pattern, segments) for pattern in one.policy.match.paths)


def _shared(pattern: PathPattern, segments: list[str]) -> int:
    count = 0
    for wanted, given in zip(pattern.segments, segments, strict=False):
        if isinstance(wanted, str) and fold(wanted) != given:
            is_similar = not count and SequenceMatcher(None, fold(wanted), given[:80]).ratio() >= _SIMILAR
            return 1 if is_similar else count
        count += 1
    return count


def as_json(looked: Sequence[LookedAt]) -> list[dict[str, Any]]:
    """Return *looked* for JSON, all of them."""
    return [{"name": one.policy.name, "matches": one.matches, "match": [*_compared(one)]} for one in looked]


def _compared(one: LookedAt) -> Iterator[dict[str, Any]]:
    for dimension, expected, fits, actual in one.comparisons:
        yield {
            "dimension": _WORDS[dimension].name,
            "expected": plain(expected),
            "actual": plain(actual),
            "fits": fits,
        }


def plain(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """Return *value*, expected or actual, as JSON can hold it."""
    if isinstance(value, frozenset):
        return sorted(plain(element) for element in value)
    if isinstance(value, tuple):
        return [plain(element) for element in value]
    if isinstance(value, PathPattern):
        return value.text
    return str(value) if isinstance(value, (IPv4Address, IPv6Address, IPv4Network, IPv6Network)) else value
