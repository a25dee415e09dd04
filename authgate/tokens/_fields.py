"""Read the fields of an identity from claims: prepared once for all payloads that are read alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authgate.core.claim_paths import elsewhere, find
from authgate.tokens._claims import Unreadable, flag, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authgate.tokens._claims import Payload, Source

_ABSENT = object()
# Stands for a claim that is at another server. No function can read it.
_ELSEWHERE = object()
# The type of claim that a function returns as it is. An empty text states nothing.
_RETURNED_AS_IT_IS: dict[object, type] = {text: str, flag: bool}


class Fields:
    """The fields that *sources* read. A payload is searched for claims that it has, not for all that it may have."""

    __slots__ = ("_by_claim",)

    def __init__(self, sources: Iterable[Source]) -> None:
        found: dict[str, dict[Source, type | None]] = {}
        for source in sources:
            for path in reversed(source.paths):
                is_plain = path == source.paths[0] and len(path) == 1
                found.setdefault(path[0], {})[source] = _RETURNED_AS_IT_IS.get(source.read) if is_plain else None
        # By the first name of a path: the sources with such a path, each with the type of claim that it takes as it is.
        self._by_claim = {name: tuple(types.items()) for name, types in found.items()}

    def read(self, payload: Payload) -> tuple[dict[str, Any], set[str]]:
        """Return the fields that *payload* states, and the names of the fields whose claim cannot be read.

        An absent or empty claim states nothing. Null cannot be read, unless another of the claims has a value. A claim
        that is at another server cannot be read: a user with many groups does not have none.
        """
        values: dict[str, Any] = {}
        unreadable: set[str] = set()
        missing = elsewhere(payload) if "_claim_names" in payload or "hasgroups" in payload else frozenset()
        for name in [*payload, *missing] if missing else payload:
            for source, plain in self._by_claim.get(name, ()):
                claim = payload.get(name)
                if type(claim) is plain and claim != "":
                    values[source.field] = claim
                    continue
                try:
                    value = _first_value(payload, source, missing)
                except Unreadable:
                    unreadable.add(source.field)
                else:
                    if value is not None:
                        values[source.field] = value
        return values, unreadable


def _first_value(payload: Payload, source: Source, missing: frozenset[str]) -> Any:  # noqa: ANN401 - the field's type
    """Return the field that *source* makes of the first claim that is not empty; None if all are absent or empty."""
    has_null = False
    for path in source.paths:
        claim = find(payload, path, _ELSEWHERE if path[0] in missing else _ABSENT)
        if claim is None:
            has_null = True
        elif claim is not _ABSENT and claim != "":
            value = source.read(claim)
            if value != ():
                return value
    if has_null:
        raise Unreadable
    return None
