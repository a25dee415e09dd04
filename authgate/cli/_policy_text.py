"""Rules, matches and values as text for people, in words close to those of the configuration."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from authgate.core.policy import Access
from authgate.core.quoting import escaped
from authgate.core.rules import Every, Not, Test

if TYPE_CHECKING:
    from authgate.core.policy import Match, Policy
    from authgate.core.rules import Rule

_MAX_VALUE = 80
# Text that cannot be confused with a number, a boolean, or the words and marks around it.
_PLAIN = re.compile(r"(?!(?:true|false|null|nothing|empty)$)[A-Za-z_/*][A-Za-z0-9_.:/@*+~-]*")


def rule_text(rule: Rule) -> str:
    """Return *rule* on one line: "roles any_of admin; not impersonated". A semicolon means that both must be true."""
    if isinstance(rule, Every):
        return "; ".join(_part_text(part) for part in rule.rules)
    return _part_text(rule)


def _part_text(rule: Rule) -> str:
    if isinstance(rule, Test):
        return _test_text(rule)
    if isinstance(rule, Not):
        return f"not ({rule_text(rule.rule)})"
    return f"{rule.name} ({'; '.join(_part_text(part) for part in rule.rules)})"


def _test_text(test: Test) -> str:
    if test.dimension == "session":
        return test.operator if test.expected else f"not {test.operator}"
    if test.dimension == "email":
        domains, must_be_verified = test.expected
        verified = "" if must_be_verified else " (verified or not)"
        return f"email domain {value_text(domains)}{verified}" if domains else "email verified"
    if test.dimension == "client":
        return f"client in {value_text(test.expected)}"
    return " ".join(part for part in (test.dimension, test.operator, value_text(test.expected)) if part)


def match_text(match: Match) -> str:
    """Return *match* on one line: "GET app.example.com /reports/** from 10.0.0.0/8"."""
    parts = [methods_text(match), ", ".join(match.hosts), paths_text(match)]
    parts += [f"from {value_text(match.clients)}"] if match.clients else []
    return " ".join(part for part in parts if part) or "every request"


def methods_text(match: Match) -> str:
    """Return the methods of *match*; "" for all. GET includes HEAD, so HEAD is not named beside it."""
    return ", ".join(sorted(match.methods - {"HEAD"} if "GET" in match.methods else match.methods))


def paths_text(match: Match) -> str:
    """Return the path patterns of *match*; "" for all paths."""
    return ", ".join(escaped(pattern.text) for pattern in match.paths)


def who_text(policy: Policy) -> str:
    """Return who passes *policy*: "public", "optional", "signed in", or its rule, with the issuers it accepts."""
    who = "signed in" if policy.access is Access.REQUIRE else policy.access.value
    who = rule_text(policy.rule) if policy.rule is not None else who
    return who if policy.issuers is None else f"{who}; issuers {', '.join(sorted(policy.issuers))}"


def value_text(value: object) -> str:
    """Return *value*, an expected or an actual one, on one line. Long text is cut.

    A list is written with commas, "empty" if it has no element; None is "nothing". Text that could be taken for
    something else is in quotes.
    """
    if isinstance(value, tuple):
        return shortened(", ".join(value_text(element) for element in value)) or "empty"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        return shortened(json.dumps(value))
    return shortened(escaped(str(value)))


def shortened(text: str) -> str:
    """Return *text*, cut if it is long."""
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…"
