"""Fill in the templates of the proxies' files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_FOLDER = Path(__file__).parent
_WHOLE_LINE = re.compile(r"^([ \t]*)@(\w+)@$", re.MULTILINE)
_WITHIN_LINE = re.compile(r"@(\w+)@")


def fill(template: str, **blocks: str | Iterable[str]) -> str:
    """Return a *template*, such as `nginx/authgate_http.conf`, with each `@name@` replaced by the block of that name.

    A block of lines takes the indentation of its place. A place that is a line of its own disappears if its block is
    empty. Raises KeyError for a place without a block.
    """
    proxy, _, name = template.partition("/")
    text = (_FOLDER / proxy / "templates" / name).read_text(encoding="utf-8")

    def lines(place: re.Match[str]) -> str:
        block = blocks[place[2]]
        several = [block] if isinstance(block, str) else [*block]
        return "\n".join(f"{place[1]}{line}" if line else "" for line in several) or "\0"

    text = _WHOLE_LINE.sub(lines, text).replace("\0\n", "")
    return _WITHIN_LINE.sub(lambda place: str(blocks[place[1]]), text)
