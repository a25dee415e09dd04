"""The decision as a whole."""

from __future__ import annotations

from authgate.core.decision import Allow
from tests.support.deciding import decide_token
from tests.support.tokens import mint


def test_a_sound_token_is_allowed_with_every_configured_header() -> None:
    decision = decide_token(mint())
    assert isinstance(decision, Allow)
    assert decision.headers == (("X-User-Id", "user-1"), ("X-User-Email", ""), ("X-User-Name", ""), ("X-User-Roles", ""))
