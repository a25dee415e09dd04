"""Reloads of a real AuthGate process."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes import RunningAuthGate


def rewrite(running: RunningAuthGate, content: str) -> None:
    """Replace the configuration file at once: the two addresses stay, then comes *content*."""
    addresses = running.config.read_text().splitlines(keepends=True)[:2]
    new_file = running.config.with_suffix(".new")
    new_file.write_text("".join(addresses) + content)
    new_file.rename(running.config)


def reload_outcomes(running: RunningAuthGate) -> dict[str, int]:
    """Return the count of reloads by outcome, "succeeded" and "failed"."""
    counts = re.findall(
        r'authgate_config_reloads_total\{outcome="(\w+)"\} (\d+)', running.page("/metrics").body.decode()
    )
    return {name: int(count) for name, count in counts}


def reload(running: RunningAuthGate) -> None:
    """Send SIGHUP, and wait until the reload has ended. It must end in another way than the last one."""
    before = _reloads_in(running.log)
    running.process.send_signal(signal.SIGHUP)
    until(lambda: _reloads_in(running.log) != before, pause_seconds=0.005)


def _reloads_in(log: Path) -> int:
    text = log.read_text()
    return text.count('"configuration reloaded') + text.count('"the new configuration cannot be used')
