"""The errors of AuthGate. A refusal is a value (`Deny`); these are what leads to one, or to no start at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.core.reasons import Reason


def quoted(text: str | None, max_characters: int = 80) -> str:
    """Return *text* fit for a message or a terminal: printable ASCII in quotes, not much over *max_characters*."""
    return ascii(text if text is None or len(text) <= max_characters else f"{text[: max_characters - 3]}...")


class AuthGateError(Exception):
    """Base of every error that AuthGate raises on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake of the operator: *setting* names where, *message* is wrong, *fix* says how to put it right."""

    setting: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.message}\n    → {self.fix}"


class ConfigError(AuthGateError):
    """The configuration cannot be used. Carries every problem found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class Unreadable(AuthGateError):
    """The subrequest does not say, once and clearly, what the client asked of the proxy."""

    def __init__(self, reason: Reason, detail: str, *, fix: str = "") -> None:
        """*detail* says what is wrong; *fix*, if any, shows the operator the lines to add to the proxy."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.fix = fix


class Refused(AuthGateError):
    """The credential or the request does not pass. Raised in core/ and tokens/, caught only in `decide`."""

    def __init__(self, reason: Reason, detail: str = "", *, newer_keys_may_help: bool = False) -> None:
        """*detail* may quote claim values: `authgate explain` shows it, logs only with `log.details`.

        *newer_keys_may_help*: the issuer may have public keys by now under which the token passes.
        """
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.newer_keys_may_help = newer_keys_may_help


class LookupFailed(AuthGateError):
    """The world did not answer a lookup: the request is refused as our own fault (fail closed)."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
