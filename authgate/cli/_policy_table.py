"""The policies as a table for people."""

from __future__ import annotations

import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING

from authgate.cli._policy_text import match_text, who_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from authgate.core.policy import Policy

_HEADINGS = ("no.", "policy", "match", "who", "sign-in page", "headers")
_OPTIONAL = frozenset({"sign-in page", "headers"})  # left out if empty
_MOST_COLUMNS = 100
_MOST_LINES = 4  # of one cell
_NARROW = frozenset({"policy", "sign-in page", "headers"})  # at most a fifth of the table each


def policy_table(
    policies: tuple[Policy, ...],
    *,
    global_headers: Collection[str],
    columns: int | None,
    global_login_url: str | None = None,
) -> list[str]:
    """Return the lines of the table, at most *columns* and 100 characters wide. Long cells are wrapped, then cut.

    The columns of the sign-in page and of headers have those of the policy alone. A column without any is left out.
    """
    rows = [
        (str(position), *_row(policy, global_headers, global_login_url))
        for position, policy in enumerate(policies, start=1)
    ]
    cells = zip(*(_HEADINGS, *rows), strict=True)
    table = [*zip(*(column for column in cells if column[0] not in _OPTIONAL or any(column[1:])), strict=True)]
    widths = _widths(table, min(columns or _MOST_COLUMNS, _MOST_COLUMNS))
    return [line for row in table for line in _lines(row, widths)]


def _row(policy: Policy, global_headers: Collection[str], global_login_url: str | None) -> Iterator[str]:
    yield policy.name
    yield match_text(policy.match)
    yield who_text(policy)
    login_url = None if policy.sign_in is None else policy.sign_in.url
    yield "" if login_url == global_login_url else login_url or "none"
    yield ", ".join(
        output.header for output in policy.outputs if output.source is not None and output.header not in global_headers
    )


def _widths(table: list[tuple[str, ...]], columns: int) -> list[int]:
    """Return the width of each column. The match and who share what the others leave."""
    natural = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    fifth = columns // 5
    widths = [
        min(width, fifth) if heading in _NARROW else width for heading, width in zip(table[0], natural, strict=True)
    ]
    match, who = table[0].index("match"), table[0].index("who")
    rest = columns - 2 * (len(widths) - 1) - sum(widths) + widths[match] + widths[who]
    half = max(rest // 2, 8)
    widths[match] = min(natural[match], max(half, rest - natural[who]))
    widths[who] = min(natural[who], max(half, rest - widths[match]))
    return widths


def _lines(row: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    cells = [
        textwrap.wrap(cell, width, max_lines=_MOST_LINES, placeholder=" …", break_on_hyphens=False)
        for cell, width in zip(row, widths, strict=True)
    ]
    for parts in zip_longest(*cells, fillvalue=""):
        yield "  ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()
