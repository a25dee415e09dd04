"""Write the figures of the documentation from the raw results of a run: `python -m bench.page FILE`.

docs/benchmarks.md and README.md have blocks between `<!-- figures: NAME -->` and `<!-- end -->`. Each is replaced; the
prose around them stays. The pictures are written, too.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.contenders import CONTENDERS
from bench.goals import AUTHGATE, GOALS, Goal
from bench.loads import LOADS
from bench.loads.load import title_of
from bench.picture import write_pictures
from bench.rounds import quotients, spread
from bench.stage import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
IMAGES = ROOT / "docs" / "images"
MIB = 1024 * 1024


def main() -> None:
    """Write the page and the pictures."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description="Write docs/benchmarks.md from a run.")
    parser.add_argument("file", type=Path, help="the raw results: bench/results/TIME.json")
    parser.add_argument("--memory", type=Path, help="the raw results of `python -m bench.distinct`")
    options = parser.parse_args()
    results = json.loads(options.file.read_text())
    if options.memory:
        results["memory"] = json.loads(options.memory.read_text())
    for page in (PAGE, README):
        page.write_text(filled(page.read_text(), results))
    write_pictures(results["loads"], IMAGES)
    missing = [name for name in LOADS if name not in results["loads"]]
    if missing:
        print(f"The run has no {', '.join(missing)}.", file=sys.stderr)


def filled(page: str, results: Mapping[str, Any]) -> str:
    """Return *page* with every block made from *results*. A block about what was not measured stays as it is."""

    def block(match: re.Match[str]) -> str:
        text = BLOCKS[match[2]](results)
        return match[0] if text is None else f"{match[1]}\n{text.strip()}\n{match[3]}"

    return re.sub(r"(<!-- figures: (\w+) -->)\n.*?(<!-- end -->)", block, page, flags=re.DOTALL)


def run_block(results: Mapping[str, Any]) -> str:
    """Return how and where the run was made."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return (
        f"Medians of {results['rounds']} rounds of {results['seconds']} s on {results['at'][:10]}: "
        f"{machine['cores']} cores of a virtual machine ({machine['processor']}, {machine['memory_gib']} GiB), "
        f"Linux {machine['kernel']}, Python {machine['python']}, commit `{results['commit']}`. {versions}.\n"
    )


def goals_block(results: Mapping[str, Any]) -> str:
    """Return the table of the goals."""
    loads = results["loads"]
    rows = [
        "| load | compared with | goal | measured (min-max) | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for goal in GOALS:
        ratios = goal.ratios(loads)
        measured = spread(ratios) if ratios else "not measured"
        verdict = _verdict(reached=goal.reached(loads))
        rows.append(f"| {LOADS[goal.load].title} | {title_of(goal.rival)} | {_goal(goal)} | {measured} | {verdict} |")
    return "\n".join(rows)


def loads_block(results: Mapping[str, Any]) -> str:
    """Return a table for each load."""
    parts = []
    for name, turns in results["loads"].items():
        if not turns:
            continue
        load = LOADS[name]
        parts.append(f"### {load.title[0].upper()}{load.title[1:]}\n\n{_sentence(load.about)}\n")
        parts.append("| | µs a request (min-max) | divided by AuthGate's (min-max) | requests a second |")
        parts.append("| --- | --- | --- | --- |")
        own = [run["cpu_us"] for run in turns.get(AUTHGATE, [])]
        for turn, runs in turns.items():
            times = [run["cpu_us"] for run in runs]
            ratio = spread(quotients(times, own)) if own and turn != AUTHGATE else "1" if own else ""
            rate = median(run["replies"] / run["seconds"] for run in runs)
            parts.append(f"| {title_of(turn)} | {spread(times, 1)} | {ratio} | {rate:,.0f} |")
        parts.append("")
    return "\n".join(parts)


def summary_block(results: Mapping[str, Any]) -> str:
    """Return the most important figures as sentences."""
    loads = results["loads"]
    lines = []
    warm = {name: [run["cpu_us"] for run in runs] for name, runs in loads.get("warm", {}).items()}
    if AUTHGATE in warm:
        own = warm.pop(AUTHGATE)
        lines.append(
            f"- AuthGate takes {median(own):.0f} µs of one core for a request with a warm token. Compared with that:"
        )
        ratios = {name: median(quotients(times, own)) for name, times in warm.items()}
        names = sorted(ratios, key=lambda one: -ratios[one])
        lines += [f"  - {CONTENDERS[name].title}: {ratios[name]:.2g} times as much" for name in names]
    realistic = loads.get("realistic", {}).get(AUTHGATE)
    if realistic:
        time = _median_us(realistic)
        lines.append(f"- With realistic heads, which differ in each request, it takes {time:.0f} µs.")
    reached = sum(goal.reached(loads) for goal in GOALS)
    lines.append(f"- {reached} of the {len(GOALS)} [goals](#goals) are reached.")
    return "\n".join(lines)


def memory_block(results: Mapping[str, Any]) -> str | None:
    """Return the memory by the number of distinct tokens, and whether its goals are reached."""
    if "memory" not in results:
        return None
    steps = results["memory"]["steps"]
    idle, first, last = steps[0], steps[1], steps[-1]
    resident = {step["tokens"]: step["resident_mib"] for step in steps}
    counted = first["counted_bytes"] / first["proofs"]
    grown = (first["resident_mib"] - idle["resident_mib"]) * MIB / first["proofs"]
    whole = last["resident_mib"] / idle["resident_mib"]
    late = last["resident_mib"] / resident.get(200_000, idle["resident_mib"])
    rows = ["| | goal: at most | measured | |", "| --- | --- | --- | --- |"]
    for what, most, measured, digits in (
        ("bytes that a cached proof takes, as AuthGate counts them", 1200, counted, 0),
        ("bytes by which the process grows for each of them", 1200, grown, 0),
        (f"resident after {last['tokens']:,} tokens, divided by idle", 1.5, whole, 2),
        ("the same, divided by resident after 200,000", 1.05, late, 2),
    ):
        rows.append(f"| {what} | {most:,} | {measured:,.{digits}f} | {_verdict(reached=measured <= most)} |")
    rows += ["", "| tokens | resident MiB | proofs in the cache | counted MiB |", "| --- | --- | --- | --- |"]
    for step in steps:
        mib = step["counted_bytes"] / MIB
        rows.append(f"| {step['tokens']:,} | {step['resident_mib']:.1f} | {step['proofs']:,.0f} | {mib:.1f} |")
    return "\n".join(rows)


def _verdict(*, reached: bool) -> str:
    return "reached" if reached else "**not reached**"


def readme_block(results: Mapping[str, Any]) -> str:
    """Return the line of the README."""
    warm = {name: _median_us(runs) for name, runs in results["loads"].get("warm", {}).items()}
    if not {AUTHGATE, "haproxy", "envoy", "fastapi_jose"} <= set(warm):
        return "[Benchmarks](docs/benchmarks.md) says what a request costs."
    return (
        f"**How fast is it?** A request with a warm token takes {warm[AUTHGATE]:.0f} µs of one core.\n"
        f"On the same machine, HAProxy's `jwt_verify` (C) takes {warm['haproxy']:.0f} µs, Envoy's `jwt_authn` (C++) "
        f"{warm['envoy']:.0f} µs, and FastAPI with\npython-jose {warm['fastapi_jose']:.0f} µs. New tokens and refusals "
        "cost more: [benchmarks](docs/benchmarks.md)."
    )


def _median_us(runs: Sequence[Mapping[str, Any]]) -> float:
    return median(run["cpu_us"] for run in runs)


def contenders_block(_results: Mapping[str, Any]) -> str:
    """Return the table of the contenders."""
    rows = [f"| {row.title} | {row.about} |" for row in CONTENDERS.values()]
    return "\n".join(["| contender | what it does |", "| --- | --- |", *rows])


def profile_block(results: Mapping[str, Any]) -> str | None:
    """Return where the time of a warm request goes, and how many calls and instructions it takes."""
    profile = results.get("profile")
    if not profile:
        return None
    rows = [
        f"{profile['calls']:.0f} calls of functions for one request, {profile['python_calls']:.0f} of them Python's.\n",
        "| where | share of the time under the profiler | calls a request |",
        "| --- | --- | --- |",
        *(f"| {row['where']} | {row['share']:.0%} | {row['calls']:.1f} |" for row in profile["rows"]),
    ]
    counts = results.get("instructions", {})
    if counts:
        words = ", ".join(f"{title_of(name)} {count:,.0f}" for name, count in counts.items())
        rows.append(f"\nInstructions outside the kernel for one request with a realistic head, by Callgrind: {words}.")
    return "\n".join(rows)


def _goal(goal: Goal) -> str:
    return f"{goal.least:g}"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


BLOCKS: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "summary": summary_block,
    "run": run_block,
    "goals": goals_block,
    "loads": loads_block,
    "contenders": contenders_block,
    "profile": profile_block,
    "memory": memory_block,
    "readme": readme_block,
}


if __name__ == "__main__":
    main()
