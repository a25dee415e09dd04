"""Signed cookie values: which signatures count, and with which key the value is signed again."""

from __future__ import annotations

import pytest

from authgate.core.errors import Refused
from authgate.tokens import derived
from authgate.tokens.better_auth import compact, signed_cookie
from authgate.tokens.better_auth.session import signing_keys
from tests.support import session_cookies as cookies
from tests.support.tokens import OTHER_SECRET, SECRET, b64, unb64

KEY_SET = derived.better_auth((OTHER_SECRET, SECRET))
CURRENT, OLD = signing_keys(KEY_SET, include_old=True).keys


def with_stray_bits(text: str, alphabet: str, at: int) -> str:
    """Return *text* with the lowest bit set in its character *at*: a lenient reader reads the same bytes."""
    return text[:at] + alphabet[alphabet.index(text[at]) ^ 1] + text[at + 1 :]


PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@pytest.mark.parametrize("key", [CURRENT, OLD], ids=["current", "old"])
def test_a_value_is_signed_again_with_the_first_key(key: object) -> None:
    signed = signed_cookie.sign("token", CURRENT if key is CURRENT else OLD)
    assert signed_cookie.verify(signed, (CURRENT, OLD)) == ("token", signed_cookie.sign("token", CURRENT))


def test_a_signature_of_another_key_or_with_stray_bits_is_refused() -> None:
    signed = signed_cookie.sign("token", OLD)
    for text in (signed, with_stray_bits(signed_cookie.sign("token", CURRENT), PLAIN, -2)):
        with pytest.raises(Refused, match="bad_signature"):
            signed_cookie.verify(text, (CURRENT,))


def test_an_envelope_whose_signature_has_stray_bits_is_refused() -> None:
    envelope = unb64(cookies.compact()).decode()
    assert compact.open_cookie(b64(envelope.encode()), (OLD,))
    changed = with_stray_bits(envelope, PLAIN[:62] + "-_", len(envelope) - len('"}') - 1)
    with pytest.raises(Refused, match="bad_signature"):
        compact.open_cookie(b64(changed.encode()), (OLD,))


def test_a_key_set_keeps_the_keys_that_sign() -> None:
    assert signing_keys(KEY_SET, include_old=True) is signing_keys(KEY_SET, include_old=True)
    assert [*signing_keys(KEY_SET, include_old=False).keys] == [CURRENT]
    assert SECRET.decode() not in repr((KEY_SET, CURRENT, OLD))
