"""A server that demands a bearer token, and a file with this token. No line of the log shows it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.bearer import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.issuer import Issuer


@pytest.fixture(autouse=True)
def no_line_and_no_message_shows_a_token(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert "canary" not in caplog.text


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    return path


@pytest.fixture
def route(token_file: Path, ca_file: str) -> dict[str, Any]:
    return {"token_file": str(token_file), "ca_file": ca_file, "allow_http": False}


@pytest.fixture
def demanding(tls_issuer: Issuer) -> Issuer:
    """An issuer that shows nothing to strangers, as the API server of Kubernetes."""
    for path in (tls_issuer.jwks_path, tls_issuer.openid_path, tls_issuer.oauth_path):
        tls_issuer.answer("bearer", token=TOKEN, on=path)
    return tls_issuer
