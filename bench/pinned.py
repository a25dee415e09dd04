"""Programs that run on one core while they are measured, and the processor time that they use."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOST = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Server:
    """A running program, which listens at *port* of the loopback interface. *pid* is its first process."""

    pid: int
    port: int

    def pids(self) -> list[int]:
        """Return its processes, the first one first."""
        return _family(self.pid)

    def cpu_nanoseconds(self) -> dict[int, int]:
        """Return the processor time of each thread of the program and its children, by thread."""
        return {thread: _nanoseconds(thread) for pid in self.pids() for thread in _threads(pid)}

    def cpu_seconds(self) -> float:
        """Return the processor time of the program and its children so far."""
        return sum(self.cpu_nanoseconds().values()) / 1e9

    def resident_mib(self) -> float:
        """Return the resident memory of its first process, in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024


def used(before: dict[int, int], after: dict[int, int]) -> float:
    """Return the seconds of processor time between two looks. A thread that ended in between counts nothing."""
    return sum(time - before.get(thread, 0) for thread, time in after.items()) / 1e9


def _family(pid: int) -> list[int]:
    """Return *pid* and all processes that it started, and those that they started."""
    family = [pid]
    for member in family:
        for thread in _threads(member):
            with suppress(FileNotFoundError, ProcessLookupError):
                family += map(int, Path(f"/proc/{member}/task/{thread}/children").read_text().split())
    return family


def _threads(pid: int) -> list[int]:
    with suppress(FileNotFoundError):
        return [int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir()]
    return []


def _nanoseconds(thread: int) -> int:
    """Return how long *thread* was on a core. /proc/PID/stat has the same time, in hundredths of a second."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return int(Path(f"/proc/{thread}/schedstat").read_text().split()[0])
    return 0


def two_cores() -> tuple[int, int]:
    """Return the core for the contenders and the core for wrk. Exit with a message if there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("bench: two cores are needed, one for the contenders and one for wrk")
    return cores[0], cores[1]


def free_ports(count: int) -> list[int]:
    """Return *count* different free ports of the loopback interface."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in sockets]


def free_port() -> int:
    """Return a free port of the loopback interface."""
    return free_ports(1)[0]


@contextmanager
def running(command: Sequence[str], port: int, core: int, log: Path, **environment: str) -> Iterator[Server]:
    """Run *command* on *core* while the context lasts, with its output in *log*. Wait until it listens at *port*."""
    inherited = {name: value for name, value in os.environ.items() if "AUTH" not in name and "SECRET" not in name}
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command],
            env=inherited | environment,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_listening(port):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"bench: {' '.join(command[:3])} did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.05)
        yield Server(process.pid, port)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_listening(port: int) -> bool:
    """Whether a server listens at *port*."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
