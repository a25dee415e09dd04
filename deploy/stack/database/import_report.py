"""What the import says: the summary on the terminal, and the rows that need somebody's attention as CSV."""

from __future__ import annotations

import argparse
import csv
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from import_rules import cell, shown

SHOWN_ROWS = 20
_HEAD = ("id", "email", "outcome", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was done, or would be.

    *counts* of: import, there, skip, without, banned, admin. *reasons* are (outcome, reason, how many).
    *rows* are the first lines of the report, *lines* says how many it has.
    """

    total: int
    counts: Mapping[str, int]
    reasons: Sequence[tuple[str, str, int]]
    rows: Sequence[tuple[str, ...]]
    lines: int
    notices: Sequence[str]

    @property
    def complete(self) -> bool:
        """Whether everybody is there, with a password."""
        return not self.counts["skip"] and not self.counts["without"]


_COUNTS = """
SELECT count(*) FILTER (WHERE outcome = 'import') AS import, count(*) FILTER (WHERE outcome = 'there') AS there,
  count(*) FILTER (WHERE outcome = 'skip') AS skip,
  count(*) FILTER (WHERE outcome = 'import' AND password IS NULL) AS without,
  count(*) FILTER (WHERE outcome = 'import' AND banned) AS banned,
  count(*) FILTER (WHERE outcome = 'import' AND admin) AS admin
FROM pg_temp.old_user"""
_LABEL = (
    "CASE WHEN outcome = 'import' AND password IS NULL THEN 'imported without password' "
    "WHEN outcome = 'import' THEN 'imported' WHEN outcome = 'there' THEN 'already there' ELSE 'skipped' END"
)
_REASON = "CASE WHEN outcome = 'skip' THEN reason ELSE note END"
_REASONS = "SELECT {} AS label, {} AS why, count(*) FROM pg_temp.old_user GROUP BY 1, 2 ORDER BY 3 DESC, 2"
_ROWS = """SELECT id, coalesce(email, email_as_was), {0}, {1} || coalesce(': ' || others, '')
FROM pg_temp.old_user WHERE {1} IS NOT NULL ORDER BY number"""


async def counts(connection: Any) -> dict[str, int]:  # noqa: ANN401 - asyncpg has no types
    """Return how many rows have which outcome."""
    return dict(await connection.fetchrow(_COUNTS))


async def reasons(connection: Any) -> list[tuple[str, str, int]]:  # noqa: ANN401
    """Return which reasons there are for which outcome, and how often."""
    return [tuple(row) for row in await connection.fetch(_REASONS.format(_LABEL, _REASON)) if row["why"] is not None]


async def write_report(connection: Any, file: TextIO | None, batch: int) -> tuple[list[tuple[str, ...]], int]:  # noqa: ANN401
    """Write the report to *file*, if there is one; return its first lines, and how many it has."""
    writer = csv.writer(file) if file else None
    if writer:
        writer.writerow(_HEAD)
    first: list[tuple[str, ...]] = []
    lines = 0
    async for row in _rows(connection, batch):
        lines += 1
        first += [row] if lines <= SHOWN_ROWS else []
        if writer:
            writer.writerow(map(cell, row))
    if file:
        file.flush()  # a full disk is told before anything is committed
    return first, lines


async def _rows(connection: Any, batch: int) -> AsyncIterator[tuple[str, ...]]:  # noqa: ANN401
    cursor = await connection.cursor(_ROWS.format(_LABEL, _REASON))
    while rows := await cursor.fetch(batch):
        for row in rows:
            yield tuple(row)


def print_summary(outcome: Outcome, options: argparse.Namespace) -> None:
    """Print what was done so that a stranger understands it."""
    count = outcome.counts
    verb = "imported" if options.apply else "would be imported"
    with_password = count["import"] - count["without"]
    for notice in outcome.notices:
        print(f"Notice: {notice}")
    _print_rows(outcome, options)
    print(f"\nOld users in {shown(options.table)}: {outcome.total}")
    _print_group(outcome, f"{verb}, with their password", with_password, "imported")
    _print_group(
        outcome, f"{verb} without a password, they must reset it", count["without"], "imported without password"
    )
    _print_group(outcome, "already there, left as they are", count["there"], "already there")
    _print_group(outcome, "skipped, not imported", count["skip"], "skipped")
    print(f"  {with_password} + {count['without']} + {count['there']} + {count['skip']} = {outcome.total}")
    print(f"Of those {verb}: {count['banned']} as banned (deactivated), {count['admin']} as administrator.")
    print("Written." if options.apply else "Dry run: nothing was written. Run again with --apply")


def _print_group(outcome: Outcome, title: str, number: int, label: str) -> None:
    print(f"{number:>9}  {title}")
    for _, reason, times in (one for one in outcome.reasons if one[0] == label):
        print(f"{times:>15}  {reason}")


def _print_rows(outcome: Outcome, options: argparse.Namespace) -> None:
    if options.report:
        print(f"The report, {options.report}, has {outcome.lines} rows.")
        return
    for user_id, email, label, reason in outcome.rows:
        print(f"{label}: {shown(user_id) or '(no id)'} {shown(email) or '(no e-mail)'}: {shown(reason)}")
    if outcome.lines > len(outcome.rows):
        print(f"... and {outcome.lines - len(outcome.rows)} more: --report FILE has them all")
