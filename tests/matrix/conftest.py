"""Real upstreams and a Node process for all tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import upstreams

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def upstream_ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    with upstreams.upstreams(tmp_path_factory.mktemp("upstreams")) as ports:
        yield ports


@pytest.fixture(scope="session")
def node_lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[upstreams.Lines]:
    with upstreams.lines(tmp_path_factory.mktemp("lines")) as lines:
        yield lines
