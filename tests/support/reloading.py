"""Reloading the configuration of a real AuthGate process."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from tests.support.client import ask
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.support.processes import RunningAuthGate


def rewritten(running: RunningAuthGate, content: str) -> None:
    """Let the file hold *content* after the two addresses, at once."""
    addresses = running.config.read_text().splitlines(keepends=True)[:2]
    newer = running.config.with_suffix(".new")
    newer.write_text("".join(addresses) + content)
    newer.rename(running.config)


def reloads(running: RunningAuthGate) -> dict[str, int]:
    """Return how many reloads ended so far, by outcome."""
    found = re.findall(
        r'authgate_config_reloads_total\{outcome="(\w+)"\} (\d+)', ask(running.admin_port, "/metrics").body.decode()
    )
    return {name: int(count) for name, count in found}


def reloaded(running: RunningAuthGate) -> dict[str, int]:
    """Send SIGHUP and return the outcomes once there is one more."""
    before = reloads(running)
    running.process.send_signal(signal.SIGHUP)
    until(lambda: reloads(running) != before, pause_seconds=0.005)
    return reloads(running)
