"""Clients send a token with other words around it, or in another place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.situations.explained import explained
from tests.support.tokens import SECRET, b64, mint

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = f"""
issuers:
  - {{name: api, preset: jwt, audiences: any, secret: "{SECRET.decode()}"}}
"""
URL = "https://api.example.com/ws"
TOKEN = mint()
COOKIE = f"access_token={TOKEN}"
SUBPROTOCOL = f"base64url.bearer.authorization.k8s.io.{b64(TOKEN.encode())}, chat"

ANSWERS: dict[str, tuple[dict[str, str], str]] = {
    "a cookie, bare": ({"Cookie": COOKIE}, "200"),
    "a cookie, plain": ({"Cookie": f"access_token=Bearer {TOKEN}"}, "200"),
    "a cookie, quoted": ({"Cookie": f'access_token="Bearer {TOKEN}"'}, "200"),
    "a cookie, encoded": ({"Cookie": f"access_token=Bearer%20{TOKEN}"}, "200"),
    "a cookie, encoded as in forms": ({"Cookie": f"access_token=bearer+{TOKEN}"}, "200"),
    "Basic beside a cookie": ({"Authorization": "Basic c3RhZ2luZzpzdGFnaW5n", "Cookie": COOKIE}, "200"),
    "a lower-case scheme and two spaces": ({"Authorization": f"bearer  {TOKEN}"}, "200"),
    "undefined": ({"Authorization": "Bearer undefined", "Cookie": COOKIE}, "401 malformed_token"),
    "no scheme": ({"Authorization": TOKEN}, "401 no_credential"),
    "the scheme JWT": ({"Authorization": f"JWT {TOKEN}"}, "401 no_credential"),
    "the scheme Token": ({"Authorization": f"Token {TOKEN}"}, "401 no_credential"),
    "a subprotocol": ({"Sec-WebSocket-Protocol": SUBPROTOCOL, "Upgrade": "websocket"}, "401 no_credential"),
}


@pytest.mark.parametrize(("headers", "answer"), ANSWERS.values(), ids=ANSWERS)
def test_the_first_place_that_holds_a_token_decides(tmp_path: Path, headers: dict[str, str], answer: str) -> None:
    decided = explained(tmp_path, CONFIG, headers)
    assert (decided.answer, decided.headers.get("X-User-Id")) == (answer, "user-1" if answer == "200" else None)
    if "Authorization" in headers and answer == "401 no_credential":
        assert "'Bearer <token>'" in decided.text


def test_a_token_in_the_query_is_not_read(tmp_path: Path) -> None:
    assert explained(tmp_path, CONFIG, {}, url=f"{URL}?access_token={TOKEN}").answer == "401 no_credential"
