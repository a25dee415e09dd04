"""A path that proxy and upstream read differently must not lead past AuthGate (P3, P4, H10)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from tests.support.client import bearer
from tests.support.e2e import sound
from tests.support.tokens import mint

if TYPE_CHECKING:
    from tests.e2e.conftest import Stack

DOTS = ("..", ".%2e", "%2e.", "%2e%2e", "%2E%2E", "..;", "..;x=1", "%2e%2e;")
SLASHES = ("/", "%2f", "%2F", "//", "\\", "%5c", "/./", "%2f%2e%2f")
TO_PUBLIC = [f"/api/x{slash}{dots}{slash}{dots}{slash}healthz" for dots in DOTS for slash in SLASHES]
MORE = [
    "/api/x/../../healthz?q",
    "/api/x/../../healthz/.",
    "/api/x%23/../../healthz",
    "/api/x%3f/../../healthz",
    "/api/x%252f..%252f..%252fhealthz",
    "/api/%2e%2e%2fhealthz",
    "/api/..%2fhealthz",
    "/api/x/..%c0%af../healthz",
    "//healthz",
    "/healthz#/../api/x",
    "/healthz%23/../api/x",
    "/x/%252e%252e/api/x",
    "/x/..%09/api",
    "/healthz%00/../api/x",
]


@pytest.mark.parametrize("path", TO_PUBLIC + MORE)
def test_no_spelling_of_a_protected_path_is_public(stack: Stack, path: str) -> None:
    answer = stack.ask(path)
    if answer.status == 200:
        seen = answer.json["path"]
        assert not unquote(unquote(seen)).startswith("/api"), f"the upstream was asked for {seen} without a token"
    else:
        assert answer.status in {400, 401, 403, 404}


@pytest.mark.parametrize(
    "path", ["/api/a..b/c...d", "/api/.well-known/x", "/api/x?y=/../z", "/api/x/%20y", "/api/..a/x"]
)
def test_dots_inside_segments_pass(stack: Stack, path: str) -> None:
    assert stack.ask(path, bearer(mint(sound()))).status == 200


@pytest.mark.parametrize("host", ["app.example.com?x", "app.example.com/x", "app.example.com#x", "u@app.example.com"])
def test_a_host_with_more_than_a_host_in_it_is_refused(stack: Stack, host: str) -> None:
    answer = stack.ask("/api/x", bearer(mint(sound())), host=host)
    assert answer.status in {400, 403}
