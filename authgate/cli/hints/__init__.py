"""Likely causes of a decision, each of them tested: a hint that does not hold is not shown.

To add a hint, write a function that takes a `Case` and returns a sentence, or "" if it does not hold, and add a row to
a table below. A hint uses the code that verifies credentials, and shows no secret and no token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from authgate.cli.hints import (
    claims,
    identity,
    keys,
    kinds,
    preflights,
    providers,
    sessions,
    shared_secrets,
    times,
    wrapping,
)
from authgate.core.cors import preflight_method
from authgate.core.decision import Allow
from authgate.core.errors import Refused
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.cli.hints.case import Case


class Hint(NamedTuple):
    """A function that tests one cause, and the reasons of the refusals that may have it. None: allowed requests."""

    test: Callable[[Case], str]
    reasons: frozenset[Reason | None]


def _row(test: Callable[[Case], str], *reasons: Reason | None) -> Hint:
    return Hint(test, frozenset(reasons))


# In the order in which they are shown.
HINTS: tuple[Hint, ...] = (
    _row(wrapping.placeholder, Reason.MALFORMED_TOKEN),
    _row(wrapping.padded, Reason.MALFORMED_TOKEN),
    _row(wrapping.wrapped, Reason.MALFORMED_TOKEN),
    _row(wrapping.no_jwt, Reason.MALFORMED_TOKEN),
    _row(
        kinds.another_kind,
        *(Reason.UNKNOWN_ISSUER, Reason.MISSING_CLAIM, Reason.WRONG_CLAIM, Reason.WRONG_AUDIENCE),
        *(Reason.WRONG_ALGORITHM, Reason.UNKNOWN_KEY, Reason.BAD_SIGNATURE, Reason.WRONG_TYPE),
    ),
    _row(sessions.cookie_of_another_scheme, Reason.NO_CREDENTIAL),
    _row(sessions.cookie_of_another_name, Reason.NO_CREDENTIAL),
    _row(wrapping.in_another_place, Reason.NO_CREDENTIAL),
    _row(
        claims.email_token,
        *(Reason.MISSING_CLAIM, Reason.MALFORMED_TOKEN, Reason.UNKNOWN_ISSUER, Reason.WRONG_ALGORITHM),
        *(Reason.UNKNOWN_KEY, Reason.SESSION_NOT_FOUND),
    ),
    _row(shared_secrets.another_reading, Reason.BAD_SIGNATURE, Reason.WRONG_ALGORITHM, Reason.UNDECRYPTABLE_TOKEN),
    _row(shared_secrets.another_library, Reason.UNDECRYPTABLE_TOKEN),
    _row(keys.another_algorithm, Reason.WRONG_ALGORITHM),
    _row(keys.another_key_id, Reason.UNKNOWN_KEY, Reason.KEYS_UNAVAILABLE),
    _row(
        keys.another_issuer,
        *(Reason.UNKNOWN_ISSUER, Reason.BAD_SIGNATURE, Reason.UNKNOWN_KEY, Reason.WRONG_ALGORITHM),
    ),
    _row(keys.spelling_of_the_issuer, Reason.UNKNOWN_ISSUER),
    _row(keys.settings_of_the_issuer, Reason.UNKNOWN_ISSUER),
    _row(keys.only_public_keys, Reason.WRONG_ALGORITHM, Reason.BAD_SIGNATURE, Reason.UNKNOWN_KEY),
    _row(claims.client_for_audience, Reason.WRONG_AUDIENCE),
    _row(claims.spelling_of_the_audience, Reason.WRONG_AUDIENCE),
    _row(providers.another_audience, Reason.WRONG_AUDIENCE),
    _row(claims.another_client_claim, Reason.MISSING_CLAIM),
    _row(claims.perhaps_id_token, Reason.MISSING_CLAIM),
    _row(providers.unmet_demand, Reason.MISSING_CLAIM, Reason.WRONG_CLAIM),
    _row(sessions.without_subject, Reason.MISSING_CLAIM),
    _row(identity.another_subject, Reason.MISSING_CLAIM, Reason.MALFORMED_TOKEN),
    _row(identity.unreadable, None, Reason.FORBIDDEN, Reason.INSUFFICIENT_SCOPE),
    _row(identity.roles_elsewhere, None, Reason.FORBIDDEN),
    _row(identity.list_within, None, Reason.FORBIDDEN),
    _row(identity.claim_elsewhere, None, Reason.MISSING_CLAIM, Reason.FORBIDDEN, Reason.INSUFFICIENT_SCOPE),
    _row(claims.another_purpose, Reason.WRONG_TYPE),
    _row(claims.largest_header, Reason.HEADERS_TOO_LARGE),
    _row(times.age_and_life, Reason.EXPIRED),
    _row(sessions.cached_data, Reason.EXPIRED),
    _row(sessions.not_in_the_store, Reason.SESSION_NOT_FOUND),
    _row(times.clock, Reason.NOT_YET_VALID),
)
# A preflight is anonymous, whatever it carries, so no hint about a credential holds.
PREFLIGHT_HINTS = (_row(preflights.origin_not_allowed, Reason.NO_CREDENTIAL),)


def hints(case: Case) -> tuple[str, ...]:
    """Return the sentences of the hints that hold for *case*."""
    reason = None if isinstance(case.decision, Allow) else case.decision.reason
    table = PREFLIGHT_HINTS if preflight_method(case.request) else HINTS
    sentences = (_tested(hint, case) for hint in table if reason in hint.reasons)
    return tuple(dict.fromkeys(sentence for sentence in sentences if sentence))


def _tested(hint: Hint, case: Case) -> str:
    try:
        return hint.test(case)
    except Refused:  # what it tried is refused in a way of its own, such as five cookies of one name
        return ""
