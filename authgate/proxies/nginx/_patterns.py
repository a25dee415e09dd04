"""The patterns of locations: which match a path, with a bound for the work that deployed files can cause."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# The steps that all patterns of one configuration may take. Python takes about 20 million a second.
_MAX_STEPS = 30_000_000
# What it costs to look at a pattern, in steps.
_FOR_EACH = 50
# An escape or a class, a group's beginning, a repetition, or one character.
_TOKEN = re.compile(
    r"\\.|\[\^?+\]?+(?:\\.|[^\]\\])*+\]|\((?:\?(?:P?<\w+>|'\w+'|<?[=!]|[>|]|[a-z-]*+:?))?+|(?:[*+?]|\{[\d,]++\})[+?]?+|.",
    re.DOTALL,
)


@dataclass(slots=True)
class Patterns:
    """Matches paths with patterns until the work is used up. *left_out* are the patterns that it then left out."""

    steps_left: int = _MAX_STEPS
    left_out: set[str] = field(default_factory=set)
    _compiled: dict[tuple[str, bool], re.Pattern[str] | None] = field(default_factory=dict)

    def matches(self, pattern: str, path: str, *, ignores_case: bool) -> bool:
        """Return whether *pattern* matches *path*. One that Python does not read, or that is left out, does not."""
        self.steps_left -= _FOR_EACH + len(pattern)
        steps = _steps(pattern, len(path))
        if steps > self.steps_left:
            self.left_out.add(pattern)
            return False
        self.steps_left -= steps
        key = pattern, ignores_case
        if key not in self._compiled:
            try:
                self._compiled[key] = re.compile(pattern, re.IGNORECASE if ignores_case else 0)
            except (re.error, RecursionError, OverflowError):
                self._compiled[key] = None
        compiled = self._compiled[key]
        return compiled is not None and compiled.search(path) is not None


def _steps(pattern: str, characters: int) -> int:
    """Return a bound for the steps in which Python finds *pattern* in a path of so many *characters*.

    Each repetition may end at any character. A repetition of what itself repeats or branches has no useful bound.
    """
    steps = 1 if pattern.startswith("^") and "|" not in pattern else characters + 1
    groups = [1]  # the branches of each open group; 0 if something in it repeats
    closed = 1
    for text in _TOKEN.findall(pattern):
        before, closed = closed, 1
        if text[0] == "(":
            groups.append(1)
        elif text == ")" and len(groups) > 1:
            closed = groups.pop()
            steps *= max(closed, 1)
            groups[-1] = groups[-1] if closed == 1 else 0
        elif text == "|":
            groups[-1] += 1 if groups[-1] else 0
            steps *= 1 if groups[-1] else 2
        elif text[0] in "*+?{":
            groups[-1] = 0
            if before != 1 and text[0] != "?":
                return _MAX_STEPS + 1
            steps *= 2 if text[0] == "?" else characters + 1
        if steps > _MAX_STEPS:
            return steps
    return steps
