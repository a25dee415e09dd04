"""Issuers spell the header `typ` in their own ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.situations.explained import bearer, explained, publish
from tests.support.tokens import claims, mint

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
issuers:
  - {name: idp, preset: jwt, issuer: "https://ids.example.com", audiences: [tasks], jwks_file: jwks.json}
"""


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "application/jwt", "at+jwt", "AT+JWT", "application/at+JWT"])
def test_an_access_token_passes_with_any_spelling_of_its_type(tmp_path: Path, typ: str | None) -> None:
    publish(tmp_path)
    token = mint(claims(iss="https://ids.example.com", aud="tasks"), algorithm="RS256", header={"typ": typ})
    assert explained(tmp_path, CONFIG, bearer(token)).answer == "200"
