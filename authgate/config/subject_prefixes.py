"""The prefixes of user ids: what is wrong with them where a configuration has several issuers."""

from __future__ import annotations

import json
from itertools import combinations
from typing import TYPE_CHECKING

from authgate.core.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.presets.preset import LoadedIssuer


def of_others(loaded: LoadedIssuer, configured: tuple[LoadedIssuer, ...]) -> tuple[str, ...]:
    """Return the prefixes of the other issuers of *configured* if *loaded* has none, case-folded.

    Ids with a prefix need no such list, because no prefix begins with another.
    """
    if _prefix(loaded):
        return ()
    return tuple(sorted(prefix.casefold() for other in configured if (prefix := _prefix(other))))


def problems(issuers: tuple[LoadedIssuer, ...], *, are_needed: bool) -> Iterator[Problem]:
    """Yield what would let two of *issuers* give one id to two people.

    *are_needed*: each issuer but the first must state a prefix. The issuers of the environment need none.
    """
    known = [issuer for issuer in issuers if "subject_prefix" not in issuer.wrong]
    for issuer in known:
        if are_needed and issuer.setting != "issuers[0]" and issuer.config.subject_prefix is None:
            own = json.dumps("partner:" if "name" in issuer.wrong else f"{issuer.config.name}:")
            yield Problem(
                setting=f"{issuer.setting}.subject_prefix",
                message="is missing: the same id at two issuers would be one user",
                fix=(
                    f"write subject_prefix: {own}, and your services see its users under new ids; or subject_prefix: "
                    '"" if its ids name the same people (docs/two-applications.md)'
                ),
            )
    for pair in combinations(known, 2):
        shorter, longer = sorted(pair, key=lambda issuer: len(_prefix(issuer)))
        if _prefix(shorter) and _prefix(longer).casefold().startswith(_prefix(shorter).casefold()):
            yield _overlap(shorter, longer)


def _prefix(issuer: LoadedIssuer) -> str:
    return issuer.config.subject_prefix or ""


def _overlap(shorter: LoadedIssuer, longer: LoadedIssuer) -> Problem:
    """Return the problem that the prefix of *longer* begins with that of *shorter*, or equals it."""
    own, other = json.dumps(_prefix(longer)), json.dumps(_prefix(shorter))
    relation = "is" if own.casefold() == other.casefold() else f"begins with {other},"
    case = "" if _prefix(longer).startswith(_prefix(shorter)) else " if upper and lower case are equal"
    return Problem(
        setting=f"{longer.setting}.subject_prefix",
        message=f"{own} {relation} the prefix of issuer {shorter.label}{case}: one id could belong to both",
        fix='choose another; issuers that have the same users all write ""',
    )
