"""Who gets a page from nginx itself: the same clients as from AuthGate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from authgate.adapters import page
from authgate.core.clients import shows_pages
from tests.support import processes
from tests.support.client import ask
from tests.support.clients import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

# nginx before 1.23 has the first of several lines in a variable.
ONE_LINE_EACH = [lines for lines in CLIENTS if len({line.partition(":")[0] for line in lines}) == len(lines)]


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """nginx whose AuthGate is down."""
    folder = tmp_path_factory.mktemp("outages")
    nobody = processes.free_port()
    with processes.nginx(folder, authgate=f"127.0.0.1:{nobody}", upstream=nobody) as port:
        yield port


@pytest.mark.parametrize("lines", ONE_LINE_EACH, ids=" | ".join)
def test_a_page_is_for_the_same_clients_as_authgates(nginx: int, lines: tuple[str, ...]) -> None:
    headers = CIMultiDict((name, value) for name, _, value in (line.partition(": ") for line in lines))
    content_type = page.CONTENT_TYPE if shows_pages(headers) else "application/problem+json"
    for path, status in (("/api/x", 503), ("/a//b", 400)):
        answer = ask(nginx, path, *lines)
        assert (answer.status, answer.header("Content-Type")) == (status, content_type)
