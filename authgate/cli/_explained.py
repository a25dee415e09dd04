"""A decision as text for people and as JSON: every check, the policies looked at, and what each rule compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authgate.cli import _findings, _looked_at
from authgate.cli._terminal import wrapped
from authgate.core.cors import preflight_method
from authgate.core.decision import Allow
from authgate.core.reasons import REASONS, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authgate.cli._looked_at import LookedAt
    from authgate.core.challenge import Challenge
    from authgate.core.decision import Check, Decision, Deny
    from authgate.core.policies import Policies
    from authgate.core.request import Request

# The column at which the details of the checks begin.
DETAIL_INDENT = " " * 17
# Causes of a refusal that exist only in the commands.
_HINTS = {
    Reason.KEYS_UNAVAILABLE: "explain loads the keys itself. A running AuthGate may still have them: run authgate keys",
    Reason.SESSIONS_UNAVAILABLE: "explain asks the session store itself, so this machine must be able to reach it",
}
# The fix of these lists several causes, of which at most one holds.
_MANY_CAUSES = frozenset(
    {
        *(Reason.NO_CREDENTIAL, Reason.BAD_SIGNATURE, Reason.UNDECRYPTABLE_TOKEN, Reason.EXPIRED),
        *(Reason.NOT_YET_VALID, Reason.SESSION_NOT_FOUND, Reason.MALFORMED_TOKEN, Reason.MISSING_CLAIM),
        *(Reason.WRONG_CLAIM, Reason.WRONG_TYPE, Reason.WRONG_AUDIENCE),
    }
)


def looked_at(policies: Policies, request: Request, decision: Decision) -> Sequence[LookedAt]:
    """Return the policies that were looked at for *decision*; none if they did not decide it."""
    is_ambiguous = not isinstance(decision, Allow) and decision.reason is Reason.AMBIGUOUS_PATH
    return () if is_ambiguous else _looked_at.look(policies, request)


def as_json(decision: Decision, looked: Sequence[LookedAt], hints: Sequence[str] = ()) -> dict[str, Any]:
    """Return *decision* for JSON, with the hints that hold for it."""
    allowed = isinstance(decision, Allow)
    return {
        "outcome": "allow" if allowed else "deny",
        "reason": None if isinstance(decision, Allow) else decision.reason.value,
        "policy": decision.policy,
        "anonymous": isinstance(decision, Allow) and decision.identity is None,
        "headers": dict(decision.headers) if isinstance(decision, Allow) else {},
        "challenge": {} if isinstance(decision, Allow) else _challenge(decision.challenge),
        "checks": [_check(check) for check in decision.checks],
        "policies": _looked_at.as_json(looked),
        "hints": [*hints],
    }


def _check(check: Check) -> dict[str, Any]:
    shown = {"name": check.name, "passed": check.passed, "detail": check.detail}
    return shown if check.finding is None else {**shown, "rule": _findings.as_json(check.finding)}


def _challenge(challenge: Challenge) -> dict[str, Any]:
    """Return what the client of a refused request gets, for JSON, without what it does not get."""
    page = challenge.page
    given = {
        "scopes": [*challenge.scopes],
        "max_age": challenge.max_age,
        "answer": challenge.delivery.value,
        "location": challenge.location,
        "page": None if page is None else {"heading": page.heading, "text": page.text},
        "allowed_origin": challenge.allowed_origin,
    }
    return {name: value for name, value in given.items() if value not in (None, "", [])}


def as_text(decision: Decision, looked: Sequence[LookedAt], request: Request | None, hints: Sequence[str] = ()) -> str:
    """Return *decision* as text: the outcome, every check, *hints*, and for a refusal what to change."""
    checks = [line for check in decision.checks for line in _check_lines(check, looked, request)]
    if isinstance(decision, Allow):
        anonymous = "  anonymous: the identity headers are empty" if decision.identity is None else ""
        lines = [f"ALLOWED{anonymous}", *checks, *(f"  {name}: {value}" for name, value in decision.headers)]
        lines = [wrapped(line, indent=DETAIL_INDENT) for line in lines]
        return "\n".join([*lines, *(_arrow(hint) for hint in hints)])
    refusal = REASONS[decision.reason]
    lines = [f"REFUSED  {decision.reason}: {refusal.text}", *checks]
    lines = [wrapped(line, indent=DETAIL_INDENT) for line in lines]
    lines += [_arrow(text) for text in _answer(decision.challenge, looked, request)]
    lines += [_arrow(fix) for fix in (*hints, *_fixes(decision, is_explained=bool(hints)))]
    return "\n".join(lines)


def _answer(challenge: Challenge, looked: Sequence[LookedAt], request: Request | None) -> Iterator[str]:
    """Yield what the client sees. A program gets problem details, which is said only where browsers are redirected.

    Nobody sees the answer to a preflight.
    """
    if request is not None and preflight_method(request):
        return
    if challenge.location:
        yield f"The browser is redirected to {challenge.location}"
    elif challenge.page is not None:
        yield f'The browser sees the page "{challenge.page.heading}".'
    elif any(found.matches and found.policy.sign_in is not None for found in looked):
        yield "The client gets problem details: its headers do not say that a browser shows the answer to a person."
    if challenge.allowed_origin:
        yield f"Pages of {challenge.allowed_origin} may read the answer (cors)."


def _arrow(text: str) -> str:
    return wrapped(f"  → {text}", indent="    ")


def _check_lines(check: Check, looked: Sequence[LookedAt], request: Request | None) -> Iterator[str]:
    """Yield the line of *check*. Below it, the policies that were looked at, or what the rules compared."""
    details = [check.detail] if check.detail or check.finding is None else []
    if check.finding is not None:
        details += _findings.lines(check.finding)
    if check.name == "policy" and request is not None and (len(looked) > 1 or not check.passed):
        details += _looked_at.lines(looked, request)
    first, *more = details
    yield f"  {'✓' if check.passed else '✗'} {check.name:<12} {first}".rstrip()
    yield from (DETAIL_INDENT + line for line in more)


def _fixes(decision: Deny, *, is_explained: bool) -> Iterator[str]:
    """Yield what to do about *decision*. *is_explained*: a hint says why, so the usual causes are left out."""
    challenge = decision.challenge
    if challenge.scopes:
        yield f"The client is asked for a token with the scopes {' '.join(challenge.scopes)}."
    if challenge.max_age is not None:
        yield f"The user has to sign in again. A sign-in counts for {challenge.max_age} seconds."
    if not (is_explained and decision.reason in _MANY_CAUSES):
        yield decision.fix or REASONS[decision.reason].fix
    if decision.reason in _HINTS:
        yield _HINTS[decision.reason]
