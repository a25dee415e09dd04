"""The prefixes of user ids: what is wrong with them where a configuration has several issuers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from authgate.core.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.presets.preset import LoadedIssuer


def in_order(configured: tuple[LoadedIssuer, ...]) -> tuple[str, ...]:
    """Return the prefixes of the issuers of *configured* that have one, case-folded.

    They are for the issuers without a prefix. Ids with a prefix need no such list, because no prefix begins with
    another.
    """
    return tuple(sorted(prefix.casefold() for issuer in configured if (prefix := _prefix(issuer))))


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
    yield from _overlaps([issuer for issuer in known if _prefix(issuer)])


def _overlaps(issuers: list[LoadedIssuer]) -> Iterator[Problem]:
    """Yield the problem of each prefix that begins with that of another issuer, in the order of *issuers*."""
    begun: list[LoadedIssuer] = []  # each begins with the one before it, and the next in order may begin with the last
    beginnings: dict[str, LoadedIssuer] = {}
    for issuer in sorted(issuers, key=lambda issuer: _prefix(issuer).casefold()):
        while begun and not _prefix(issuer).casefold().startswith(_prefix(begun[-1]).casefold()):
            begun.pop()
        if begun:
            beginnings[issuer.setting] = begun[-1]
        begun.append(issuer)
    yield from (_overlap(beginnings[issuer.setting], issuer) for issuer in issuers if issuer.setting in beginnings)


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
