"""Formats the report on keys for a terminal: issuers in trouble first, each time relative to now. Plain ASCII."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from authgate.cli._terminal import counted
from authgate.core.quoting import cut, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authgate.cli._key_report import Issuer, Key, Report, State, Unknown

_EVENTS_SHOWN = 20
_MAX_NAME = 56  # "Ed25519 " and a JWK thumbprint (RFC 7638)
_MAX_LINE = 400
# In the order in which issuers are shown.
_STATES: dict[State, str] = {
    "no keys": "WITHOUT KEYS: none could be loaded yet, so its tokens cannot be verified (503)",
    "given up": "GIVEN UP: its keys are too old, so its tokens cannot be verified (503)",
    "stale": "STALE: the keys still verify tokens, but newer keys cannot be loaded",
    "ready": "ready",
    "not offered": "publishes no keys: its JWTs are not accepted",
}
_WORDS: dict[State, str] = {"no keys": "without keys"}
_Fields: TypeAlias = tuple[tuple[str, str, bool], ...]
# The columns of each table: heading, field of the report, whether the field is a time.
_KEYS = (("first seen", "first_seen", True), ("last seen", "last_seen", True), ("tokens verified", "proofs", False),
         ("last use", "last_proof", True))  # fmt: skip
_DEPARTED = (("left the set", "left_at", True), ("first seen", "first_seen", True),
             ("tokens since", "named_since", False), ("last use", "named_at", True))  # fmt: skip
_UNKNOWN = (("tokens", "count", False), ("last use", "last_at", True))


def report_lines(report: Report, max_columns: int | None = None) -> Iterator[str]:
    """Yield the lines of *report*, issuers in trouble first.

    A table that is wider than *max_columns* becomes a list.
    """
    issuers, configuration = report.issuers, report.configuration
    counts = Counter(issuer.state for issuer in issuers.values())
    summary = ", ".join(f"{counts[state]} {_WORDS.get(state, state)}" for state in _STATES if counts[state])
    now = max(issuer.now for issuer in issuers.values())
    yield f"{counted(len(issuers), 'issuer')} at {_date(now)} UTC: {summary}"
    if configuration.reload_failed:
        loaded = f"the configuration was loaded at {_when(configuration.loaded_at, now)}"
        yield f"{loaded}; a newer one cannot be used: {_one_line(configuration.reload_failed)}"
    order = [*_STATES]
    for name, issuer in sorted(issuers.items(), key=lambda item: order.index(item[1].state)):
        yield ""
        yield from _issuer(name, issuer, max_columns)


def _issuer(name: str, issuer: Issuer, max_columns: int | None) -> list[str]:
    now, keys = issuer.now, issuer.keys
    lines = [f"{_one_line(name)}  {_STATES[issuer.state]}", f"  keys from         {_one_line(issuer.source)}"]
    if issuer.last_error:
        times = "once" if issuer.failures_in_a_row == 1 else f"{issuer.failures_in_a_row} times in a row"
        lines.append(f"  failed            {times}: {_one_line(issuer.last_error)}")
    loaded = "never" if issuer.last_success is None else _when(issuer.last_success, now)
    next_try = "loading now" if issuer.loading else f"next try {_when(issuer.next_refresh, now)}"
    lines.append(f"  last good load    {loaded}, {next_try}")
    if issuer.state == "stale" and issuer.given_up_at:
        lines.append(f"  given up          {_when(issuer.given_up_at, now)}, unless a load succeeds")
    lines += _table("keys given up" if issuer.state == "given up" else "keys", keys, "named", _KEYS, now, max_columns)
    lines += _table("departed keys", issuer.departed, "named", _DEPARTED, now, max_columns)
    lines += _table("unknown key ids", issuer.unknown_key_ids, "key_id", _UNKNOWN, now, max_columns)
    lines += _list("skipped keys", [_one_line(skipped) for skipped in issuer.skipped])
    events = issuer.events[:_EVENTS_SHOWN]
    return lines + _list("what happened", [f"{_when(event.at, now)}  {_one_line(event.what)}" for event in events])


def _table(
    title: str, rows: Sequence[Key | Unknown], named_by: str, fields: _Fields, now: str, max_columns: int | None
) -> list[str]:
    if not rows:
        return []
    headings = [heading for heading, _, _ in fields]
    cells = [
        [
            _name(getattr(row, named_by)),
            *(_when(getattr(row, name), now) if is_time else _count(row, name) for _, name, is_time in fields),
        ]
        for row in rows
    ]
    table = _aligned([[title.upper(), *headings], *cells])
    if max_columns is None or all(len(line) <= max_columns for line in table):
        return ["", *table]
    width = max(map(len, headings))
    lines = ["", f"  {title.upper()}"]
    for name, *values in cells:
        lines += [
            f"  {name}",
            *(f"    {heading:<{width}}  {value}" for heading, value in zip(headings, values, strict=True)),
        ]
    return lines


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _count(row: Key | Unknown, field: str) -> str:
    # Only tokens that name their key can be counted for it.
    return "-" if field == "named_since" and row.key_id is None else str(getattr(row, field))


def _list(title: str, lines: list[str]) -> list[str]:
    return ["", f"  {title.upper()}", *(f"  {line}" for line in lines)] if lines else []


def _name(text: str) -> str:
    """Return *text* for a column. A long text is cut in the middle, because ids differ at the beginning or the end."""
    name = escaped(text)
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 15]}...{name[-12:]}"


def _one_line(text: str) -> str:
    return cut(escaped(text), _MAX_LINE)


def _when(time: str | None, now: str) -> str:
    """Return *time*, with its date unless that is today, and its distance from *now*; "-" for None."""
    if time is None:
        return "-"
    shown = time[11:19] if time[:10] == now[:10] else _date(time)
    seconds = (datetime.fromisoformat(now) - datetime.fromisoformat(time)).total_seconds()
    if not seconds:
        return f"{shown} (now)"
    return f"{shown} ({_duration(seconds)} ago)" if seconds > 0 else f"{shown} (in {_duration(-seconds)})"


def _date(time: str) -> str:
    return f"{time[:10]} {time[11:19]}"


def _duration(seconds: float) -> str:
    for unit, length, at_most in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < length * at_most:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"
