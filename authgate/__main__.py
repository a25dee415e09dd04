"""`python -m authgate` and the command `authgate`."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command that the arguments name."""
    # The first process of a container ignores SIGTERM until it has a handler, so set one before the slow imports.
    # `serve` replaces it when it listens.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if "serve" in sys.argv[1:2]:  # a SIGHUP asks for a reload, and the configuration is about to be read anyway
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from authgate.cli import commands  # noqa: PLC0415 - see above

    commands()


if __name__ == "__main__":
    main()
