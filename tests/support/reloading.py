"""Reloads of a real AuthGate process."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from tests.support.client import ask
from tests.support.waiting import until

if TYPE_CHECKING:
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
        r'authgate_config_reloads_total\{outcome="(\w+)"\} (\d+)', ask(running.admin_port, "/metrics").body.decode()
    )
    return {name: int(count) for name, count in counts}


def reload(running: RunningAuthGate) -> dict[str, int]:
    """Send SIGHUP, wait until the reload has ended, and return the counts by outcome."""
    before = reload_outcomes(running)
    running.process.send_signal(signal.SIGHUP)
    until(lambda: reload_outcomes(running) != before, pause_seconds=0.005)
    return reload_outcomes(running)
