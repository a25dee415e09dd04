"""The event loops that a test runs on. A conftest.py imports the hook, and tests have the marker `both_event_loops`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the tests that are marked so on both event loops: each has a TLS of its own."""
    loops = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return loops if item.get_closest_marker("both_event_loops") else {"asyncio": loops["asyncio"]}
