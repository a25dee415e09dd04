"""The example stack, one for each test process, and a Chromium for each module that needs one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.chromium import running_chromium
from tests.support.stack import EDGES, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from deploy.stack.run import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(params=EDGES)
def edge(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Not session-scoped: while Playwright runs, its event loop runs, and asynchronous tests could not start theirs.
    with running_chromium() as browser:
        yield browser
