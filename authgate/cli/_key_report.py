"""The report on keys at /keys of the admin port (server/key_report.py), checked: anybody may listen there."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from authgate.core import strict_json

# Five thousand issuers in the worst state have 910,000.
_MAX_BRACKETS = 1_000_000


def _time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Time: TypeAlias = Annotated[
    str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", max_length=20), AfterValidator(_time)
]
Count: TypeAlias = Annotated[int, Field(ge=0, lt=10**15)]
State: TypeAlias = Literal["no keys", "given up", "stale", "ready", "not offered"]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Key(_Part):
    """A key of the set, and how often it was used."""

    named: str
    key_id: str | None = None
    first_seen: Time | None
    last_seen: Time | None
    proofs: Count
    last_proof: Time | None


class Departed(Key):
    """A key that has left the set."""

    left_at: Time | None
    named_since: Count
    named_at: Time | None


class Unknown(_Part):
    """A key id that tokens named."""

    key_id: str
    count: Count
    last_at: Time | None


class Event(_Part):
    """What happened to the key set."""

    at: Time
    what: str


class Issuer(_Part):
    """The key set of one issuer."""

    state: State
    source: str
    now: Time
    last_success: Time | None
    last_error: str | None
    failures_in_a_row: Count
    loading: bool
    next_refresh: Time | None
    given_up_at: Time | None
    keys: list[Key]
    departed: list[Departed]
    skipped: list[str]
    unknown_key_ids: list[Unknown]
    events: list[Event]


class Configuration(_Part):
    """When the configuration was loaded, and why a newer one cannot be used."""

    loaded_at: Time | None
    reload_failed: str | None


class Report(_Part):
    """The whole report. *issuers* are by name; there is at least one."""

    configuration: Configuration
    issuers: dict[str, Issuer] = Field(min_length=1)


def read_report(text: str) -> tuple[Report, dict[str, Any]]:
    """Return the report in *text*, and the JSON object as it is. Raises ValueError if it is none."""
    document = strict_json.parse(text, max_brackets=_MAX_BRACKETS)
    try:
        return Report.model_validate(document), document
    except ValidationError as error:
        raise ValueError(f"{error.error_count()} of its members are not those of a report") from None
