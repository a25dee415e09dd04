"""Fuzz every target: `make fuzz`. As many run at once as there are processors.

`.fuzz/` keeps the inputs that reach new code, for the next run, with the findings and the logs. The exit code is 1 if
there is a finding: an exception, an input that takes too long, too much memory, or a file that is left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
SEEDS = Path(__file__).parent / "seeds"

INPUT_SECONDS = 20  # a hang is a finding; an input takes milliseconds
MEMORY_MEGABYTES = 1024
# What a target may need besides its time: to start, and to run what is in its folder.
GRACE_SECONDS = 300

_NO_ATHERIS = (
    f"make fuzz: atheris is not installed. It has wheels for Linux on x86-64 and Python 3.11 to 3.13; this is Python "
    f"{platform.python_version()} on {platform.system()}, {platform.machine()}. Nothing was fuzzed."
)


@dataclass(frozen=True, slots=True)
class Run:
    """What one target did. *findings* are the files that show them, or sentences."""

    name: str
    executions: int
    edges: int
    new_inputs: int
    findings: tuple[str, ...]


async def fuzz(name: str, seconds: int, folder: Path, seeds: Path, max_bytes: int) -> Run:
    """Fuzz the target called *name* for *seconds*, beginning with *seeds*. Its files are in *folder*."""
    corpus, found, log = folder / "corpus" / name, folder / "findings" / name, folder / "logs" / f"{name}.log"
    for made in (corpus, found, log.parent):
        made.mkdir(parents=True, exist_ok=True)
    before = _files(found)
    options = [
        *(f"-max_total_time={seconds}", f"-max_len={max_bytes}", f"-artifact_prefix={found}/"),
        *(f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={MEMORY_MEGABYTES}", "-print_final_stats=1"),
    ]
    with tempfile.TemporaryDirectory() as temporary:
        environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TMPDIR": temporary}
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.fuzz.one", name, *options, str(corpus), str(seeds)),
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT, env=environ,
            )  # fmt: skip
        code = await _end(process, seconds + GRACE_SECONDS)
        left = _files(Path(temporary))
    text = log.read_text(errors="replace")
    executions = _last(r"stat::number_of_executed_units: (\d+)", text) or _last(r"^#(\d+)", text)
    findings = [str(found / name) for name in _files(found) if name not in before]
    if (code or not executions) and not findings:
        findings.append(f"it ended with code {code} after {executions} executions: {log}")
    if left:
        findings.append(f"it left files behind: {', '.join(left)}")
    return Run(
        name=name,
        executions=executions,
        edges=_last(r" cov: (\d+)", text),
        new_inputs=_last(r"stat::new_units_added: +(\d+)", text),
        findings=tuple(findings),
    )


async def _end(process: asyncio.subprocess.Process, seconds: float) -> int:
    """Return the exit code of *process*. Kill it after *seconds*, or if this run is interrupted."""
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or -1


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text, re.MULTILINE)
    return int(found[-1]) if found else 0


async def fuzz_all(names: list[str], seconds: int, folder: Path) -> list[Run]:
    """Fuzz the targets called *names*, as many at once as there are processors. A signal ends them all."""
    this = asyncio.current_task()
    assert this is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    slots = asyncio.Semaphore(os.cpu_count() or 1)

    async def one(name: str) -> Run:
        async with slots:
            return await fuzz(name, seconds, folder, SEEDS / name, TARGETS[name].max_bytes)

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one(name)) for name in names]
    return [task.result() for task in running]


def table(runs: list[Run]) -> str:
    """Return *runs* as text."""
    rows = [f"{'target':15} {'executions':>10} {'edges':>7} {'new inputs':>10} {'findings':>8}"]
    rows += [f"{r.name:15} {r.executions:10} {r.edges:7} {r.new_inputs:10} {len(r.findings):8}" for r in runs]
    for run in runs:
        for finding in run.findings:
            rows.append(f"\n{run.name}: {finding}")
            if Path(finding).is_file():
                rows.append(f"    .venv/bin/python -m tests.fuzz.replay {run.name} {finding}")
    return "\n".join(rows)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=30, help="how long to run each target")
    parser.add_argument("--folder", type=Path, default=ROOT / ".fuzz", help="for inputs, findings and logs")
    options = parser.parse_args()
    if unknown := set(options.targets) - TARGETS.keys():
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    if find_spec("atheris") is None:
        sys.stderr.write(f"{_NO_ATHERIS}\n")
        return 1
    try:
        runs = asyncio.run(fuzz_all(options.targets or list(TARGETS), options.seconds, options.folder))
    except asyncio.CancelledError:
        sys.stderr.write("make fuzz: ended by a signal\n")
        return 1
    sys.stdout.write(f"{table(runs)}\n")
    return 1 if any(run.findings for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
