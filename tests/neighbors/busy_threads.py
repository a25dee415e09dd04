"""AuthGate in a process whose threads a test can keep busy, as a dead network file system or name server does.

    python -m tests.neighbors.busy_threads serve …

Each line on standard input changes what it does: all threads for blocking calls hang, or they go on. The name
`HANGING` never resolves.
"""

from __future__ import annotations

import socket
import sys
import threading
from typing import Any

from authgate import blocking
from authgate.__main__ import main

HANGING = "hangs.example"

_resolve = socket.getaddrinfo


def _obey() -> None:
    for _ in sys.stdin:
        over = threading.Event()
        for _ in range(blocking._KEPT):
            blocking._workers.run(lambda over=over: over.wait() and None)  # type: ignore[misc]
        sys.stdin.readline()
        over.set()


def _resolve_or_hang(host: Any, *args: Any, **options: Any) -> Any:
    if host == HANGING:
        threading.Event().wait()
    return _resolve(host, *args, **options)


if __name__ == "__main__":
    socket.getaddrinfo = _resolve_or_hang
    threading.Thread(target=_obey, daemon=True).start()
    main()
