"""The report on keys as people read it: what is wrong first, times beside how long ago that is. Plain ASCII."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

_EVENTS_SHOWN = 20
_MAX_NAME = 56  # "Ed25519 " and a JWK thumbprint (RFC 7638)
_MAX_LINE = 400
_ORDER = ("no keys", "given up", "stale", "ready", "not offered")
_STATES = {
    "no keys": "WITHOUT KEYS: none could be loaded yet, its tokens cannot be verified (503)",
    "given up": "GIVEN UP: its keys are too old, its tokens cannot be verified (503)",
    "stale": "STALE: the keys still verify, but newer ones cannot be loaded",
    "ready": "ready",
    "not offered": "publishes no keys: it signs no JWTs, so none of it is accepted",
}
_WORDS = {"no keys": "without keys"}
# Per table: its title, and each column's heading, field of the report and whether that is a time.
_KEYS = (("first seen", "first_seen", True), ("last seen", "last_seen", True), ("tokens verified", "proofs", False),
         ("last one", "last_proof", True))  # fmt: skip
_DEPARTED = (("left the set", "left_at", True), ("in it since", "first_seen", True),
             ("tokens since", "named_since", False), ("last one", "named_at", True))  # fmt: skip
_UNKNOWN = (("tokens", "count", False), ("last one", "last_at", True))


def as_text(report: dict[str, Any]) -> str:
    """Return the *report* (server/key_report.py) for a terminal, issuers in trouble first."""
    issuers, configuration = report["issuers"], report["configuration"]
    found = sorted(issuers.items(), key=lambda item: _ORDER.index(item[1]["state"]))
    counted = Counter(issuer["state"] for issuer in issuers.values())
    summary = ", ".join(f"{counted[state]} {_WORDS.get(state, state)}" for state in _ORDER if counted[state])
    now = max(issuer["now"] for issuer in issuers.values())
    first = f"{len(issuers)} issuer{'s' * (len(issuers) != 1)} at {_date(now)} UTC: {summary}"
    if configuration["reload_failed"]:
        first += f"\nthe configuration is of {_when(configuration['loaded_at'], now)}; a newer one cannot be used: "
        first += _one_line(configuration["reload_failed"])
    return "\n\n".join([first, *("\n".join(_issuer(name, issuer)) for name, issuer in found)])


def _issuer(name: str, issuer: dict[str, Any]) -> list[str]:
    now, keys = issuer["now"], issuer["keys"]
    lines = [f"{escaped(name)}  {_STATES[issuer['state']]}", f"  keys from         {_one_line(issuer['source'])}"]
    if issuer["last_error"]:
        times = "once" if issuer["failures_in_a_row"] == 1 else f"{issuer['failures_in_a_row']} times in a row"
        lines.append(f"  failed            {times}: {_one_line(issuer['last_error'])}")
    answered = "never" if issuer["last_success"] is None else _when(issuer["last_success"], now)
    next_try = "loading now" if issuer["loading"] else f"next try {_when(issuer['next_refresh'], now)}"
    lines.append(f"  last good answer  {answered}, {next_try}")
    if issuer["state"] == "stale" and issuer["given_up_at"]:
        lines.append(f"  given up          {_when(issuer['given_up_at'], now)}, unless a good answer comes")
    lines += _table("keys given up" if issuer["state"] == "given up" else "keys", keys, "named", _KEYS, now)
    lines += _table("departed keys", issuer["departed"], "named", _DEPARTED, now)
    lines += _table("unknown key ids", issuer["unknown_key_ids"], "key_id", _UNKNOWN, now)
    lines += _list("skipped keys", [_one_line(skipped) for skipped in issuer["skipped"]])
    events = issuer["events"][:_EVENTS_SHOWN]
    return lines + _list(
        "what happened", [f"{_when(event['at'], now)}  {_one_line(event['what'])}" for event in events]
    )


def _table(
    title: str, rows: list[dict[str, Any]], named_by: str, columns: tuple[tuple[str, str, bool], ...], now: str
) -> list[str]:
    if not rows:
        return []
    cells = [[title.upper(), *(heading for heading, _, _ in columns)]]
    for row in rows:
        values = (_when(row[field], now) if is_time else _count(row, field) for _, field, is_time in columns)
        cells.append([_name(row[named_by]), *values])
    widths = [max(len(line[position]) for line in cells) for position in range(len(cells[0]))]
    return ["", *("  " + "  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)]


def _count(row: dict[str, Any], field: str) -> str:
    # Tokens that name no key cannot be counted by the key that they were signed with.
    return "-" if field == "named_since" and row.get("key_id") is None else str(row[field])


def _list(title: str, lines: list[str]) -> list[str]:
    return ["", f"  {title.upper()}", *(f"  {line}" for line in lines)] if lines else []


def _name(text: str) -> str:
    """Return *text* for a column: of a long one the beginning and the end, where ids differ."""
    name = escaped(text)
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 15]}...{name[-12:]}"


def _one_line(text: str) -> str:
    line = escaped(text)
    return line if len(line) <= _MAX_LINE else f"{line[: _MAX_LINE - 3]}..."


def escaped(text: str) -> str:
    """Return *text* with whatever could play with a terminal written out: key ids come from elsewhere."""
    return "".join(c if c.isascii() and c.isprintable() else ascii(c)[1:-1] for c in text)


def _when(at: str | None, now: str) -> str:
    """Return the time *at*, without its date if that is today, and how far it is from *now*."""
    if at is None:
        return "-"
    shown = at[11:19] if at[:10] == now[:10] else _date(at)
    seconds = (datetime.fromisoformat(now) - datetime.fromisoformat(at)).total_seconds()
    if not seconds:
        return f"{shown} (now)"
    return f"{shown} ({_duration(seconds)} ago)" if seconds > 0 else f"{shown} (in {_duration(-seconds)})"


def _date(at: str) -> str:
    return f"{at[:10]} {at[11:19]}"


def _duration(seconds: float) -> str:
    for unit, length, at_most in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < length * at_most:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"
