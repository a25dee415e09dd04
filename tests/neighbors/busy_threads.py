"""AuthGate in a process whose threads a test can keep busy, as a dead network file system does.

    python -m tests.neighbors.busy_threads serve …

Each line on standard input changes what it does: all threads for blocking calls hang, or they go on.
"""

from __future__ import annotations

import sys
import threading

from authgate import blocking
from authgate.__main__ import main


def _obey() -> None:
    for _ in sys.stdin:
        over = threading.Event()
        for _ in range(blocking._KEPT):
            blocking._workers.run(lambda over=over: over.wait() and None)  # type: ignore[misc]
        sys.stdin.readline()
        over.set()


if __name__ == "__main__":
    threading.Thread(target=_obey, daemon=True).start()
    main()
