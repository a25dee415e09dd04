"""A real server, for the tests of attacks on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.support.serving import Served, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as server:
        yield server
