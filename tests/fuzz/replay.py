"""Run inputs once, without a fuzzer: `python -m tests.fuzz.replay TARGET FILE …`. A finding ends with its traceback."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fuzz.targets import load


def main(name: str, *files: str) -> None:
    """Check each of *files* as an input of the target called *name*."""
    target = load(name)
    for file in files:
        target.check(Path(file).read_bytes())
        sys.stdout.write(f"{file}: nothing found\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
