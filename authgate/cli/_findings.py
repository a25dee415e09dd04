"""What the rules of a policy came to, as text and as JSON. `decide` recorded it: there is no second evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authgate.cli._looked_at import plain
from authgate.cli._policy_text import value_text
from authgate.core.rules import DIMENSIONS, Operand, Test

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.core.rules import Finding

_TRUTHS = {True: "true", False: "false", None: "unknown"}
_COMBINATIONS = {"all": "all of:", "any": "any of:", "not": "not:"}


def lines(finding: Finding, depth: int = 0) -> Iterator[str]:
    """Yield a line for each rule, as a tree: whether it is true, what it expects, and the actual value."""
    if not depth and len(finding.parts) == 1 and finding.rule.name == "all":  # a policy with one rule
        finding = finding.parts[0]
    yield f"{_TRUTHS[finding.truth]:<8} {'  ' * depth}{_comparison(finding)}"
    for part in finding.parts:
        yield from lines(part, depth + 1)


def named(finding: Finding) -> str:
    """Return the name of the rule with its truth and its values: "roles.any_of is false: expected a; actual b"."""
    truth, rule = _TRUTHS[finding.truth], finding.rule
    return f"{rule.name} is {truth}: {_values(finding, rule)}" if isinstance(rule, Test) else f"{rule.name} is {truth}"


def _comparison(finding: Finding) -> str:
    rule = finding.rule
    return f"{rule.name}: {_values(finding, rule)}" if isinstance(rule, Test) else _COMBINATIONS[rule.name]


def _values(finding: Finding, test: Test) -> str:
    is_silent = finding.truth is None and finding.actual is None
    actual = "nothing that says so" if is_silent else value_text(finding.actual)
    return f"expected {_expected(test)}; actual {actual}"


def _expected(test: Test) -> str:
    if test.dimension == "email":
        domains, must_be_verified = test.expected
        verified = "a verified address" if must_be_verified else "an address, verified or not"
        return f"{verified} of {value_text(domains)}" if domains else verified
    is_age = test.dimension in DIMENSIONS and DIMENSIONS[test.dimension].operand is Operand.SECONDS
    return f"{'at most ' if is_age else ''}{value_text(test.expected)}"


def as_json(finding: Finding) -> dict[str, Any]:
    """Return *finding* for JSON: its name, its truth in words, and the values or the parts."""
    named = {"name": finding.rule.name, "truth": _TRUTHS[finding.truth]}
    if not isinstance(finding.rule, Test):
        return {**named, "parts": [as_json(part) for part in finding.parts]}
    return {**named, "expected": _plain_expected(finding.rule), "actual": plain(finding.actual)}


def _plain_expected(test: Test) -> Any:  # noqa: ANN401 - any JSON value
    if test.dimension == "email":
        domains, must_be_verified = test.expected
        return {"domain": [*domains], "verified": True if must_be_verified else "any"}
    return plain(test.expected)
