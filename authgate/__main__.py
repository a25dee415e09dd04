"""`python -m authgate` and the command `authgate`."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command that the arguments name."""
    # The first process of a container ignores SIGTERM until it has a handler: set before the imports that take their
    # time. `serve` sets its own when it listens.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if "serve" in sys.argv[1:2]:  # it is about to read the configuration that SIGHUP would have it read
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from authgate.cli import commands  # noqa: PLC0415 - see above

    commands()


if __name__ == "__main__":
    main()
