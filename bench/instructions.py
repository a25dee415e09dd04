"""Count the instructions of a warm request: `python -m bench.instructions`. Needs valgrind.

Callgrind counts what AuthGate's process executes outside the kernel while one client sends realistic heads, one after
another. Other programs do not change the count, so that two versions can be compared on a busy machine.
"""

from __future__ import annotations

import argparse
import re
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contenders import CONTENDERS
from bench.pinned import HOST, two_cores
from bench.request_heads import bearer, realistic
from bench.stage import Setup, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.pinned import Server

WARM, COUNTED = 300, 500
MEASURED = ("authgate", "authgate_without_lane", "bare_aiohttp", "floor")


class CountingStage(Stage):
    """A stage whose servers run under Callgrind, which counts nothing yet."""

    def run(self, command: list[str], port: int, *, core: int | None = None, **environment: str) -> Server:
        """Start a server under Callgrind."""
        out = f"--callgrind-out-file={self.folder}/callgrind.%p"
        valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", out]
        return super().run([*valgrind, *command], port, core=core, PYTHONHASHSEED="0", **environment)


def main() -> None:
    """Print the instructions of each contender."""
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__.partition("\n")[0])
    parser.add_argument("--contenders", default=",".join(MEASURED), help=f"default: {','.join(MEASURED)}")
    parser.add_argument("--functions", type=int, default=0, help="list so many functions of the interpreter, too")
    options = parser.parse_args()
    for name, count in measured(options.contenders.split(","), functions=options.functions).items():
        print(f"{name:24}{count:12,.0f} instructions a request")


def measured(names: Sequence[str] = MEASURED, *, functions: int = 0) -> dict[str, float]:
    """Return the instructions of one warm request, by contender."""
    counts = {}
    for name in names:
        if not CONTENDERS[name].available():
            continue
        with tempfile.TemporaryDirectory(prefix="authgate-bench-") as folder, ExitStack() as stack:
            stage = CountingStage(Path(folder), *two_cores(), seconds=1, rounds=1, stack=stack)
            setup = Setup()
            server = CONTENDERS[name].start(stage, setup)
            counts[name] = _count(stage, server, realistic(bearer(setup.signer.token(0))))
            if functions:
                _print_functions(stage, functions)
    return counts


def _print_functions(stage: Stage, most: int) -> None:
    """Print the functions of the interpreter and of C libraries that execute the most instructions."""
    for file in stage.folder.glob("callgrind.*.*"):
        command = ["callgrind_annotate", "--threshold=95", "--auto=no", str(file)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows = re.findall(r"^ *([\d,]+) \( *[\d.]+%\)  .*?([^/\s]+:\S+)", text, re.MULTILINE)
        for count, function in rows[:most]:
            print(f"  {int(count.replace(',', '')) / COUNTED:10,.0f}  {function}")


def _count(stage: Stage, server: Server, head: str) -> float:
    with socket.create_connection((HOST, server.port), 60) as connection:
        for number in range(WARM):
            _ask(connection, head, number)
        _control("--instr=on", server)
        for number in range(COUNTED):
            _ask(connection, head, WARM + number)
        _control("--instr=off", server)
        _control("--dump", server)
    text = "".join(path.read_text() for path in stage.folder.glob("callgrind.*"))
    return sum(int(found) for found in re.findall(r"^totals: (\d+)", text, re.MULTILINE)) / COUNTED


def _ask(connection: socket.socket, head: str, number: int) -> None:
    text = head % (number, number % 50, number % 250 + 1, number, number, number, number)
    connection.sendall(text.encode())
    reply = b""
    while b"\r\n\r\n" not in reply:
        received = connection.recv(65536)
        if not received:
            sys.exit("bench: the server closed the connection")
        reply += received
    if not reply.startswith(b"HTTP/1.1 200"):
        sys.exit(f"bench: the reply was {reply[:40]!r}")


def _control(option: str, server: Server) -> None:
    ran = subprocess.run(["callgrind_control", option, str(server.pid)], check=False, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"bench: callgrind_control {option} failed:\n{ran.stdout}{ran.stderr}")


if __name__ == "__main__":
    main()
