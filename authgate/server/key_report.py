"""What is to be seen of every issuer's keys: the JSON of /keys on the admin port, which `authgate keys` prints."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authgate.keysources.history import Sighting
    from authgate.keysources.watched import WatchedKeys


# Of what comes from elsewhere: a key id may be as long as a key set, or as a token.
MAX_KEY_ID_CHARACTERS = 256
MAX_TEXT_CHARACTERS = 1024


class ProofCounts(Protocol):
    """Knows how many proofs were made with a key."""

    def made_with(self, key_set: str, thumbprint: bytes) -> tuple[int, float | None]:
        """Return how many, and when the last one was made (Unix time)."""
        ...


def key_report(issuers: Iterable[WatchedKeys], proofs: ProofCounts, configuration: dict[str, Any]) -> dict[str, Any]:
    """Return the report on *issuers*, and their *configuration* as /readyz has it.

    Times are UTC in the form of RFC 3339, to the second; None: never. At most 64 keys, 64 skipped ones, 32 departed
    ones, 16 unknown key ids and 64 events an issuer, their texts cut.
    """
    return {"configuration": configuration, "issuers": {keys.name: _issuer(keys, proofs) for keys in issuers}}


def _issuer(keys: WatchedKeys, proofs: ProofCounts) -> dict[str, Any]:
    now, age, given_up_in, history = (
        keys.unix(),
        keys.age_seconds(),
        keys.seconds_until_given_up(),
        keys.journal.history,
    )
    return {
        "state": keys.state,
        "source": keys.source.where,
        "now": unix_as_text(now),
        "last_success": unix_as_text(None if age is None else now - age),
        "age_seconds": None if age is None else round(age, 1),
        "last_error": keys.failure or None,
        "failures_in_a_row": keys.failures_in_a_row,
        "loading": keys.is_loading,
        "next_refresh": unix_as_text(now + keys.seconds_until_due()),
        "given_up_at": unix_as_text(None if given_up_in == float("inf") else now + given_up_in),
        "keys": [_key(sighting, keys.name, proofs) for sighting in history.present.values()],
        "departed": [
            _key(sighting, keys.name, proofs)
            | {
                "left_at": unix_as_text(sighting.left_at),
                "named_since": sighting.named_since,
                "named_at": unix_as_text(sighting.named_at),
            }
            for sighting in reversed(history.departed.values())
        ],
        "skipped": [_cut(skipped) for skipped in keys.key_set.skipped],
        "unknown_key_ids_total": keys.journal.unknown_key_ids,
        "unknown_key_ids": [
            {"key_id": _cut(key_id, MAX_KEY_ID_CHARACTERS), "count": seen.count, "last_at": unix_as_text(seen.last_at)}
            for key_id, seen in reversed(history.unknown.items())
        ],
        "events": [{"at": unix_as_text(event.at), "what": _cut(event.message)} for event in reversed(history.events)],
    }


def _key(sighting: Sighting, issuer_name: str, proofs: ProofCounts) -> dict[str, Any]:
    key = sighting.key
    count, last_at = proofs.made_with(issuer_name, key.thumbprint)
    return {
        "key_id": _cut(key.key_id, MAX_KEY_ID_CHARACTERS) if key.key_id is not None else None,
        "algorithm": key.algorithm,
        "named": str(key),
        "first_seen": unix_as_text(sighting.first_seen),
        "last_seen": unix_as_text(sighting.last_seen),
        "proofs": count,
        "last_proof": unix_as_text(last_at),
    }


def _cut(text: str, max_characters: int = MAX_TEXT_CHARACTERS) -> str:
    return text if len(text) <= max_characters else f"{text[: max_characters - 3]}..."


def unix_as_text(unix: float | None) -> str | None:
    """Return *unix* (seconds since 1970) as RFC 3339 in UTC, None for None."""
    return None if unix is None else datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
