"""Requests that AuthGate cannot parse, through nginx: refused as unreadable, not as an outage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support import processes
from tests.support.client import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = "issuers:\n  - {name: app, preset: jwt, secret_env: APP_SECRET, audiences: [tasks]}\n"
ENVIRON = {"APP_SECRET": "an-honest-test-secret-0123456789-abcdefghijklmnopqrstuvwxyz"}
UNPARSABLE = {
    "a control character in a cookie": ("Cookie: a=\x01b",),
    "a control character in another header": ("X-Other: \x7f",),
    "300 headers": tuple(f"X-{number}: 1" for number in range(300)),
}
# In server {}, and worse than anybody means it: it would turn the refusal of the subrequest into its permission.
ERROR_PAGES = "recursive_error_pages on; error_page 400 403 431 =200 /fine; location = /fine { return 200; }"


@pytest.fixture(scope="module", params=["", ERROR_PAGES], ids=["as shipped", "with error pages of the server"])
def nginx(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("unreadable")
    with (
        processes.authgate(folder, CONFIG, environ=ENVIRON) as authgate,
        processes.nginx(
            folder,
            authgate=f"127.0.0.1:{authgate.port}",
            upstream=processes.free_port(),
            locations=request.param,
        ) as port,
    ):
        yield port


@pytest.mark.parametrize("lines", UNPARSABLE.values(), ids=UNPARSABLE)
def test_a_request_that_authgate_cannot_parse_is_refused_with_403(nginx: int, lines: tuple[str, ...]) -> None:
    answer = ask(nginx, "/api/x", *lines)
    assert (answer.status, answer.header("X-AuthGate-Reason")) == (403, "unreadable_request")
    assert json.loads(answer.body)["detail"] == "The request could not be read."
    page = ask(nginx, "/api/x", *lines, "Sec-Fetch-Mode: navigate")
    assert page.status == 403
    assert "The server could not read the request." in str(page.body)
