"""`python -m authgate` and the command `authgate`."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run the command that the arguments name."""
    # The first process of a container ignores SIGTERM until it has a handler, so set one before the slow imports.
    # `serve` replaces it when it listens. There is nothing to close yet, so it ends the process at once: sys.exit()
    # raises an exception, which Python ignores while it deletes an object or ends the import of a module.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    if "serve" in sys.argv[1:2]:  # a SIGHUP asks for a reload, and the configuration is about to be read anyway
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from authgate.cli import commands  # noqa: PLC0415 - see above

    commands()


if __name__ == "__main__":
    main()
