"""The errors of the core. Each ends in a refusal (a `Deny`), or in the rejection of a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from authgate.core.quoting import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authgate.core.reasons import Reason


# A text, or the function that makes it when somebody reads it.
Detail: TypeAlias = "str | Callable[[], str]"

# How many problems of a configuration are reported at once, and how long each part of one is at most.
MAX_PROBLEMS = 100
_MAX_PROBLEM_CHARACTERS = 1000


def detail_text(detail: Detail) -> str:
    """Return the text of *detail*."""
    return detail if isinstance(detail, str) else detail()


class AuthGateError(Exception):
    """Base of every error that AuthGate raises on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in the configuration: which *setting*, what is wrong (*message*), and what to change (*fix*).

    Each of them is cut after 1,000 characters.
    """

    setting: str
    message: str
    fix: str

    def __post_init__(self) -> None:
        """Cut what is too long to be read."""
        for name in ("setting", "message", "fix"):
            text = getattr(self, name)
            if len(text) > _MAX_PROBLEM_CHARACTERS:
                object.__setattr__(self, name, cut(text, _MAX_PROBLEM_CHARACTERS))

    def __str__(self) -> str:
        return f"{self.setting}: {self.message}\n    → {self.fix}"


def first_problems(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Return *problems*; if there are more than MAX_PROBLEMS, the first of them, and one that counts the others."""
    if len(problems) <= MAX_PROBLEMS:
        return tuple(problems)
    others = len(problems) - MAX_PROBLEMS + 1
    return (*problems[: MAX_PROBLEMS - 1], more_problems(others))


def more_problems(count: int) -> Problem:
    """Return the problem that there are *count* more."""
    message = f"has {count} more problems, which are not listed"
    return Problem(setting="configuration", message=message, fix="correct those that are listed, and check again")


class ConfigError(AuthGateError):
    """The configuration cannot be used. *problems* has every problem, or the first 100 and how many more there are."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = first_problems(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Unreadable(AuthGateError):
    """The subrequest does not describe the client's request completely and unambiguously."""

    def __init__(self, reason: Reason, detail: str, *, fix: str = "") -> None:
        """*detail* says what is wrong; *fix*, if any, tells the operator what to change at the proxy."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.fix = fix


class Refused(AuthGateError):
    """The credential or the request is refused. Raised in core/ and tokens/; `decide` turns it into a `Deny`."""

    def __init__(self, reason: Reason, detail: Detail = "", *, newer_keys_may_help: bool = False) -> None:
        """*detail* may quote claim values: `authgate explain` shows it, the log only with `log.details`.

        *newer_keys_may_help*: since the last load, the issuer may have published a key that verifies the token.
        """
        self.args = (reason,)  # without the detail, which a traceback would show
        self.reason = reason
        self.unread_detail = detail
        self.newer_keys_may_help = newer_keys_may_help

    @property
    def detail(self) -> str:
        """The text of the detail. Only a few refusals are read, so a function may make it."""
        return detail_text(self.unread_detail)


class LookupFailed(AuthGateError):
    """A lookup got no answer. The request is refused (fail closed), and the refusal counts as AuthGate's own fault."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
