"""Read the file that `authgate proxy --check` checks, and those that it includes."""

from __future__ import annotations

import glob
import re
import sys
from itertools import islice
from pathlib import Path

from authgate.files import read_bounded, unreadable_reason
from authgate.proxies.findings import Source, Unusable

_MAX_BYTES = 1024 * 1024
# A dump of `nginx -T` holds many files.
_MAX_DUMP_BYTES = 8 * _MAX_BYTES
_MAX_FILES = 1_000
_STDIN = "-"
_WILDCARD = re.compile(r"[*?\[]")


def read_source(file: str, reads: str) -> Source:
    """Return the content of *file*; "-" is standard input. Included files are relative to its folder.

    *file* may be a folder, which has no text of its own. *reads* says what the check reads. Raises Unusable.
    """
    is_folder = file != _STDIN and Path(file).is_dir()
    folder = Path(file) if is_folder else Path() if file == _STDIN else Path(file).parent
    text = _stdin() if file == _STDIN else "" if is_folder else _read(file, _MAX_DUMP_BYTES)
    name = "standard input" if file == _STDIN else file

    def included(pattern: str) -> list[tuple[str, str]]:
        full = str(folder / pattern)
        if not _WILDCARD.search(pattern):
            note = f"; {name} includes it. If the files are on another machine: --check reads {reads}"
            return [(full, _read(full, _MAX_BYTES, note))]
        paths = sorted(islice(glob.iglob(full, recursive=True), _MAX_FILES + 1))  # noqa: PTH207 - as nginx does it
        if len(paths) > _MAX_FILES:
            raise Unusable(full, None, f"it names more than {_MAX_FILES} files")
        return [(path, _read(path, _MAX_BYTES)) for path in paths]

    return Source(name=name, text=text, included=included, is_folder=is_folder)


def _stdin() -> str:
    content = sys.stdin.buffer.read(_MAX_DUMP_BYTES + 1)
    if len(content) > _MAX_DUMP_BYTES:
        raise Unusable("standard input", None, f"it is longer than {_MAX_DUMP_BYTES} bytes")
    if not content.strip():
        raise Unusable("standard input", None, "it is empty. Did the command before it fail?")
    return content.decode(errors="replace")


def _read(path: str, max_bytes: int, note: str = "") -> str:
    try:
        return read_bounded(path, max_bytes).decode(errors="replace")
    except (OSError, ValueError) as error:  # ValueError: too long, not a regular file, or a path with a NUL
        raise Unusable(path, None, unreadable_reason(error) + note) from None
