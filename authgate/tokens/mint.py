"""Make development tokens for `authgate mint`. A serving AuthGate never signs a JWT."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from authgate.tokens import _base64url
from authgate.tokens.algorithms import ALGORITHMS

if TYPE_CHECKING:
    from authgate.core.keys import Key


def mint(claims: dict[str, Any], key: Key) -> str:
    """Return a JWT with *claims*, signed with the shared secret *key*."""
    header = {"alg": key.algorithm, "typ": "JWT"}
    signing_input = f"{_segment(header)}.{_segment(claims)}"
    signature = ALGORITHMS[key.algorithm].sign(signing_input.encode("ascii"), key.material)
    return f"{signing_input}.{_base64url.encode(signature)}"


def _segment(members: dict[str, Any]) -> str:
    return _base64url.encode(json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode())
