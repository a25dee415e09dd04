"""Draw the processor time of each contender as bars, for pages with a light and with a dark background."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.loads import LOADS
from bench.loads.load import title_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WIDTH, LEFT, RIGHT, ROW, TOP = 760, 220, 150, 24, 72
DRAWN = ("warm", "realistic")
# A bar that is more than three times as long as the next one ends in a break: the others would be too short to see.
BREAK = 3
_NOT_DRAWN = "authgate_without_lane"


@dataclass(frozen=True, slots=True)
class Colors:
    """The colors of one picture."""

    text: str
    quiet: str
    bar: str
    own: str
    back: str


THEMES = {
    "light": Colors(text="#1f2328", quiet="#59636e", bar="#b6bfc8", own="#0a6e4f", back="#ffffff"),
    "dark": Colors(text="#f0f6fc", quiet="#9198a1", bar="#4b5563", own="#3fb98b", back="#0d1117"),
}


def write_pictures(loads: Mapping[str, Any], folder: Path) -> None:
    """Write speed-light.svg and speed-dark.svg from the raw results of *loads*."""
    for theme, colors in THEMES.items():
        (folder / f"speed-{theme}.svg").write_text(picture(loads, colors))


def picture(loads: Mapping[str, Any], colors: Colors) -> str:
    """Return the picture: a group of bars for each of the loads that it shows, the shortest bar first."""
    groups = {load: _times(loads, load) for load in DRAWN if loads.get(load)}
    longest = bound([median(values) for times in groups.values() for values in times.values()])
    parts: list[str] = []
    y = TOP
    for load, times in groups.items():
        parts.append(_text(16, y, LOADS[load].title, colors.text, "font-weight='600'"))
        parts += _group(times, y + 10, longest, colors)
        y += 10 + len(times) * ROW + 30
    height = y - 10
    head = _text(16, 26, "Processor time of one request", colors.text, "font-size='17' font-weight='600'")
    unit = _text(16, 44, "microseconds on one core; median, and the fastest and slowest round", colors.quiet)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' "
        "font-family='system-ui, sans-serif' font-size='13' role='img'>"
        f"<title>{escape(_sentence(loads))}</title>"
        f"<rect width='{WIDTH}' height='{height}' fill='{colors.back}'/>{head}{unit}{''.join(parts)}</svg>\n"
    )


def bound(middles: list[float]) -> float:
    """Return the longest bar that is drawn in full, with a little room for one that is not."""
    *_, second, first = 0.0, *sorted(middles)
    return first if first <= BREAK * second or not second else second * 1.2


def _times(loads: Mapping[str, Any], load: str) -> dict[str, list[float]]:
    return {name: [run["cpu_us"] for run in runs] for name, runs in loads[load].items() if name != _NOT_DRAWN}


def _group(times: Mapping[str, list[float]], y: int, longest: float, colors: Colors) -> list[str]:
    middle = {name: median(values) for name, values in times.items()}
    scale = (WIDTH - LEFT - RIGHT) / longest
    parts = []
    for number, name in enumerate(sorted(middle, key=lambda one: middle[one])):
        top, color = y + number * ROW, colors.own if name == "authgate" else colors.bar
        broken = middle[name] > longest
        length = min(middle[name], longest) * scale
        weight = "font-weight='600'" if name == "authgate" else ""
        label = title_of(name).replace("`", "")
        parts += [
            _text(LEFT - 8, top + 15, label, colors.text, f"text-anchor='end' {weight}"),
            f"<rect x='{LEFT}' y='{top + 3}' width='{length:.1f}' height='{ROW - 8}' rx='2' fill='{color}'/>",
            _break(LEFT + length, top, colors) if broken else "",
        ]
        low, high = min(times[name]), max(times[name])
        words = f"{_figure(middle[name])}  ({_figure(low)}-{_figure(high)})"
        parts.append(_text(round(LEFT + length) + 8, top + 15, words, colors.text, weight))
    return parts


def _break(x: float, top: int, colors: Colors) -> str:
    """Return two gaps in a bar that goes on further than it is drawn."""
    return "".join(
        f"<path d='M{x - offset:.1f} {top + 1} l-6 {ROW - 4}' stroke='{colors.back}' stroke-width='3'/>"
        for offset in (14, 22)
    )


def _figure(microseconds: float) -> str:
    return f"{microseconds:,.1f}" if microseconds < 100 else f"{microseconds:,.0f}"


def _sentence(loads: Mapping[str, Any]) -> str:
    """Return what the picture shows, for readers who do not see it."""
    warm = {name: median(run["cpu_us"] for run in runs) for name, runs in loads.get(DRAWN[0], {}).items()}
    shown = ", ".join(f"{title_of(name).replace('`', '')} {_figure(warm[name])}" for name in sorted(warm, key=warm.get))
    return f"Microseconds of processor time for one request with a warm token: {shown}."


def _text(x: float, y: float, words: str, color: str, more: str = "") -> str:
    return f"<text x='{x}' y='{y}' fill='{color}' {more}>{escape(words)}</text>"
