"""Data cookies of strategy `jwe`: a payload that decrypts must still be a session."""

from __future__ import annotations

from typing import Any

import pytest

from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.tokens import derived
from authgate.tokens.better_auth import cookie_jwe
from tests.support import session_cookies as cookies
from tests.support.tokens import NOW, SECRET

KEYS = derived.better_auth((SECRET,)).keys


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": None}, Reason.MISSING_CLAIM),
        ({"exp": "soon"}, Reason.MALFORMED_TOKEN),
        ({"exp": True}, Reason.MALFORMED_TOKEN),
        ({"updatedAt": None}, Reason.MISSING_CLAIM),
        ({"updatedAt": cookies.iso(NOW)}, Reason.MISSING_CLAIM),
        ({"updatedAt": False}, Reason.MISSING_CLAIM),
        ({"session": None}, Reason.MISSING_CLAIM),
        ({"user": []}, Reason.MISSING_CLAIM),
    ],
)
def test_a_cookie_that_decrypts_but_lacks_a_part_of_the_session_is_refused(
    changes: dict[str, Any], reason: Reason
) -> None:
    claims = cookies.payload() | {"exp": int(NOW) + 300} | changes
    text = cookies.written({name: value for name, value in claims.items() if value is not None})
    cookie = cookies.encrypted(text.encode(), KEYS[1].material, {"enc": KEYS[1].algorithm, "kid": KEYS[1].key_id})
    with pytest.raises(Refused) as refused:
        cookie_jwe.open_cookie(cookie, KEYS)
    assert refused.value.reason is reason
