"""The output of the import: a summary on the terminal, and a CSV report of the rows that need attention."""

from __future__ import annotations

import argparse
import csv
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from import_rules import csv_cell, printable

SHOWN_ROWS = 20
_HEAD = ("id", "email", "outcome", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the import did, or would do.

    *counts* has the keys import, existing, fill, skip, without_password, banned and admin. *reasons* are tuples
    of outcome, reason and count. *rows* are the first rows of the report; *lines* counts all of them.
    """

    total: int
    counts: Mapping[str, int]
    reasons: Sequence[tuple[str, str, int]]
    rows: Sequence[tuple[str, ...]]
    lines: int
    notices: Sequence[str]

    @property
    def complete(self) -> bool:
        """Whether every user is in Better Auth, with a password."""
        return not self.counts["skip"] and not self.counts["without_password"]


_COUNTS = """
SELECT count(*) FILTER (WHERE outcome = 'import') AS import, count(*) FILTER (WHERE outcome = 'existing') AS existing,
  count(*) FILTER (WHERE outcome = 'fill') AS fill, count(*) FILTER (WHERE outcome = 'skip') AS skip,
  count(*) FILTER (WHERE outcome = 'import' AND password IS NULL) AS without_password,
  count(*) FILTER (WHERE outcome = 'import' AND banned) AS banned,
  count(*) FILTER (WHERE outcome = 'import' AND admin) AS admin
FROM pg_temp.old_user"""
_LABEL = (
    "CASE WHEN outcome = 'import' AND password IS NULL THEN 'imported without password' "
    "WHEN outcome = 'import' THEN 'imported' WHEN outcome = 'existing' THEN 'already there' "
    "WHEN outcome = 'fill' THEN 'filled' ELSE 'skipped' END"
)
_REASON = (
    "CASE outcome WHEN 'skip' THEN reason WHEN 'fill' THEN concat_ws('; ', array_to_string(fill, ', '), note) "
    "ELSE note END"
)
_REASONS = "SELECT {} AS label, {} AS reason, count(*) FROM pg_temp.old_user GROUP BY 1, 2 ORDER BY 3 DESC, 2"
_ROWS = """SELECT id, coalesce(email, email_as_was), {0}, {1} || coalesce(': ' || others, '')
FROM pg_temp.old_user WHERE {1} IS NOT NULL ORDER BY number"""


async def counts(connection: Any) -> dict[str, int]:  # noqa: ANN401 - asyncpg has no types
    """Return the counts for `Outcome.counts`."""
    return dict(await connection.fetchrow(_COUNTS))


async def reasons(connection: Any) -> list[tuple[str, str, int]]:  # noqa: ANN401
    """Return each outcome and reason with its count, the most frequent first."""
    return [tuple(row) for row in await connection.fetch(_REASONS.format(_LABEL, _REASON)) if row["reason"] is not None]


async def write_report(connection: Any, file: TextIO | None, batch: int) -> tuple[list[tuple[str, ...]], int]:  # noqa: ANN401
    """Write the report to *file*, if there is one. Return its first rows and the count of all."""
    writer = csv.writer(file) if file else None
    if writer:
        writer.writerow(_HEAD)
    first: list[tuple[str, ...]] = []
    lines = 0
    async for row in _rows(connection, batch):
        lines += 1
        first += [row] if lines <= SHOWN_ROWS else []
        if writer:
            writer.writerow(map(csv_cell, row))
    if file:
        file.flush()  # detects a full disk before the commit
    return first, lines


async def _rows(connection: Any, batch: int) -> AsyncIterator[tuple[str, ...]]:  # noqa: ANN401
    cursor = await connection.cursor(_ROWS.format(_LABEL, _REASON))
    while rows := await cursor.fetch(batch):
        for row in rows:
            yield tuple(row)


def print_summary(outcome: Outcome, options: argparse.Namespace) -> None:
    """Print a summary of *outcome*."""
    counted = outcome.counts
    verb = "imported" if options.apply else "would be imported"
    with_password = counted["import"] - counted["without_password"]
    for notice in outcome.notices:
        print(f"Notice: {notice}")
    _print_rows(outcome, options)
    print(f"\nOld users in the table {printable(options.table)}: {outcome.total}")
    _print_group(outcome, f"{verb} with their password", with_password, "imported")
    without_password = counted["without_password"]
    _print_group(
        outcome, f"{verb} without a password (they must reset it)", without_password, "imported without password"
    )
    _print_group(outcome, "already there, left unchanged", counted["existing"], "already there")
    parts = [with_password, without_password, counted["existing"], counted["skip"]]
    if options.fill:
        filled = "filled" if options.apply else "would be filled"
        _print_group(outcome, f"already there, {filled} with", counted["fill"], "filled")
        parts.insert(3, counted["fill"])
    _print_group(outcome, "skipped, not imported", counted["skip"], "skipped")
    print(f"  {' + '.join(map(str, parts))} = {outcome.total}")
    if counted["skip"]:
        print(
            "Nobody can sign in with the id of a skipped user. Tasks and other rows keep this id until you move them."
        )
    print(f"{counted['banned']} {verb} as banned (deactivated), {counted['admin']} as administrator.")
    print("Written." if options.apply else "Dry run: nothing was written. Run again with --apply to import.")


def _print_group(outcome: Outcome, title: str, number: int, label: str) -> None:
    print(f"{number:>9}  {title}")
    for reason, times in ((reason, times) for group, reason, times in outcome.reasons if group == label):
        print(f"{times:>15}  {reason}")


def _print_rows(outcome: Outcome, options: argparse.Namespace) -> None:
    if options.report:
        print(f"Report: {outcome.lines} rows in {options.report}")
        return
    for user_id, email, label, reason in outcome.rows:
        name = f"{printable(user_id) or '(no id)'} {printable(email) or '(no e-mail)'}"
        print(f"{label}: {name}: {printable(reason)}")
    if outcome.lines > len(outcome.rows):
        print(f"... and {outcome.lines - len(outcome.rows)} more: --report FILE writes all of them")
