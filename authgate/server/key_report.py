"""The JSON of /keys on the admin port: every key set and its history. `authgate keys` prints it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from authgate.core.quoting import cut

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authgate.keysources.history import Sighting
    from authgate.keysources.watched import WatchedKeys


# Texts from outside are cut to these lengths: a key id may be as long as a token.
MAX_KEY_ID_CHARACTERS = 256
MAX_TEXT_CHARACTERS = 1024


class ProofCounts(Protocol):
    """Counts the proofs made with each key."""

    def made_with(self, key_set: str, thumbprint: bytes) -> tuple[int, float | None]:
        """Return the number of proofs that the key made, and the time of the last proof (Unix time; None for never)."""
        ...


def key_report(key_sets: Iterable[WatchedKeys], proofs: ProofCounts, configuration: dict[str, Any]) -> dict[str, Any]:
    """Return the report on *key_sets*. *configuration* is the same object as in /readyz.

    Times are RFC 3339 in UTC, to the second; null means never. Each key set has at most 64 keys, 64 skipped keys, 32
    departed keys, 16 unknown key ids and 64 events. Long texts are cut.
    """
    return {
        "configuration": configuration,
        "issuers": {watched.name: _key_set(watched, proofs) for watched in key_sets},
    }


def _key_set(watched: WatchedKeys, proofs: ProofCounts) -> dict[str, Any]:
    now, age, given_up_in, history = (
        watched.unix(),
        watched.age_seconds(),
        watched.seconds_until_given_up(),
        watched.journal.history,
    )
    return {
        "state": watched.state,
        "source": cut(watched.source.where, MAX_TEXT_CHARACTERS),
        "now": unix_as_text(now),
        "last_success": unix_as_text(None if age is None else now - age),
        "age_seconds": None if age is None else round(age, 1),
        "last_error": cut(watched.failure, MAX_TEXT_CHARACTERS) or None,
        "failures_in_a_row": watched.failures_in_a_row,
        "loading": watched.is_loading,
        "next_refresh": unix_as_text(now + watched.seconds_until_due()),
        "given_up_at": unix_as_text(None if given_up_in == float("inf") else now + given_up_in),
        "keys": [_key(sighting, watched.name, proofs) for sighting in history.present.values()],
        "departed": [
            _key(sighting, watched.name, proofs)
            | {
                "left_at": unix_as_text(sighting.left_at),
                "named_since": sighting.named_since,
                "named_at": unix_as_text(sighting.named_at),
            }
            for sighting in reversed(history.departed.values())
        ],
        "skipped": [cut(skipped, MAX_TEXT_CHARACTERS) for skipped in watched.key_set.skipped],
        "unknown_key_ids_total": watched.journal.unknown_key_ids,
        "unknown_key_ids": [
            {
                "key_id": cut(key_id, MAX_KEY_ID_CHARACTERS),
                "count": unknown.count,
                "last_at": unix_as_text(unknown.last_at),
            }
            for key_id, unknown in reversed(history.unknown.items())
        ],
        "events": [
            {"at": unix_as_text(event.at), "what": cut(event.message, MAX_TEXT_CHARACTERS)}
            for event in reversed(history.events)
        ],
    }


def _key(sighting: Sighting, issuer_name: str, proofs: ProofCounts) -> dict[str, Any]:
    key = sighting.key
    count, last_at = proofs.made_with(issuer_name, key.thumbprint)
    return {
        "key_id": cut(key.key_id, MAX_KEY_ID_CHARACTERS) if key.key_id is not None else None,
        "algorithm": key.algorithm,
        "named": str(key),
        "first_seen": unix_as_text(sighting.first_seen),
        "last_seen": unix_as_text(sighting.last_seen),
        "proofs": count,
        "last_proof": unix_as_text(last_at),
    }


def unix_as_text(unix: float | None) -> str | None:
    """Return *unix* (seconds since 1970) as RFC 3339 in UTC; None for None."""
    return None if unix is None else datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
