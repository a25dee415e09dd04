"""The bearer token of a server that gives its keys only to those who send it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate.keysources import LoadFailed

if TYPE_CHECKING:
    from authgate.keysources import KeySource
    from tests.support.issuer import Issuer

TOKEN = "canary-eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhdXRoZ2F0ZSJ9.c2lnbmVk-_~+/=="


def sent(issuer: Issuer) -> list[tuple[str, str | None]]:
    """Return the path and the header Authorization of each request."""
    return [(request.path, request.headers.get("authorization")) for request in issuer.requests()]


async def refused(source: KeySource) -> str:
    """Return the message of the `LoadFailed` of *source*. It never shows a token."""
    with pytest.raises(LoadFailed) as failed:
        await source.load()
    assert "canary" not in str(failed.value)
    return str(failed.value)
