"""JWE under a shared key: which tokens are decrypted, and which are refused before or after that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.tokens import _jwe, derived
from tests.support import session_cookies as cookies
from tests.support.tokens import OTHER_SECRET, SECRET, b64, unb64

KEYS = derived.better_auth((SECRET,)).keys
SOUND = cookies.cookie_jwe()


def with_header(token: str = SOUND, **changes: Any) -> str:
    """Return *token* with these *changes* of its header. None removes a parameter."""
    header, *rest = token.split(".")
    members = json.loads(unb64(header)) | changes
    changed = json.dumps({name: value for name, value in members.items() if value is not None})
    return ".".join([b64(changed.encode()), *rest])


def with_part(position: int, part: str, token: str = SOUND) -> str:
    parts = token.split(".")
    parts[position] = part
    return ".".join(parts)


def test_a_token_of_each_encryption_is_decrypted_with_its_own_key() -> None:
    for encryption in _jwe.ENCRYPTIONS:
        keys = derived.authjs((OTHER_SECRET, SECRET), ("a",)).keys
        token = cookies.authjs_cookie(name="a", encryption=encryption)
        payload, key = _jwe.decrypt(_jwe.parse(token), keys)
        assert payload == cookies.authjs_claims()
        assert (key.algorithm, key.purpose) == (encryption, "a")


# For each fault: the token, the reason of the refusal, and a part of the detail.
REFUSED: dict[str, tuple[str, Reason, str]] = {
    "over 16 KiB": (f"{SOUND}{'A' * 16384}", Reason.MALFORMED_TOKEN, "over 16384"),
    "three parts": ("a.b.c", Reason.MALFORMED_TOKEN, "five parts"),
    "six parts": (f"{SOUND}.A", Reason.MALFORMED_TOKEN, "five parts"),
    "not ASCII": (with_part(4, "é"), Reason.MALFORMED_TOKEN, "five parts of ASCII"),
    "an encrypted key": (with_part(1, "AAAA"), Reason.MALFORMED_TOKEN, "lengths of its parts do not fit"),
    "a vector that is too short": (with_part(2, "AAAA"), Reason.MALFORMED_TOKEN, "lengths of its parts do not fit"),
    "no ciphertext": (with_part(3, ""), Reason.MALFORMED_TOKEN, "lengths of its parts do not fit"),
    "a tag that is too short": (
        with_part(4, b64(b"t" * 16)),
        Reason.MALFORMED_TOKEN,
        "lengths of its parts do not fit",
    ),
    "a part that is not base64url": (with_part(3, "A+A="), Reason.MALFORMED_TOKEN, "one of its parts is"),
    "a header that is not JSON": (with_part(0, b64(b"{")), Reason.MALFORMED_TOKEN, "its header is not acceptable"),
    "a header that is too long": (with_header(x="x" * 1024), Reason.MALFORMED_TOKEN, "longer than 1024"),
    "an unknown enc": (with_header(enc="A128CBC-HS256"), Reason.WRONG_ALGORITHM, "its enc is 'A128CBC-HS256'"),
    "an enc in lower case": (with_header(enc="a256gcm"), Reason.WRONG_ALGORITHM, "its enc is 'a256gcm'"),
    "an enc that is not a string": (with_header(enc=["A256GCM"]), Reason.WRONG_ALGORITHM, "its enc is"),
    "no enc": (with_header(enc=None), Reason.WRONG_ALGORITHM, "its enc is 'None'"),
    "another supported enc": (
        with_header(enc="A256GCM"),
        Reason.MALFORMED_TOKEN,
        "do not fit A256GCM with alg 'dir'",
    ),
    "a kid that is a number": (with_header(kid=7), Reason.MALFORMED_TOKEN, "'kid' is not a string"),
    "a kid that is a list": (with_header(kid=["a"]), Reason.MALFORMED_TOKEN, "'kid' is not a string"),
    "an unknown kid": (with_header(kid="other"), Reason.UNDECRYPTABLE_TOKEN, "no key has its kid and enc"),
    "a header that was not authenticated": (with_header(typ="JWT"), Reason.UNDECRYPTABLE_TOKEN, "tried 1 key: "),
    "another secret": (cookies.cookie_jwe(secret=OTHER_SECRET), Reason.UNDECRYPTABLE_TOKEN, "no key has its kid"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_any_other_token_is_refused(fault: str) -> None:
    token, reason, message = REFUSED[fault]
    with pytest.raises(Refused) as refused:
        _jwe.decrypt(_jwe.parse(token), KEYS)
    assert refused.value.reason is reason
    assert message in refused.value.detail


def test_at_most_eight_keys_are_tried_for_a_token_without_kid() -> None:
    secrets = [b"%02d" % number + SECRET for number in range(8)]
    keys = [*derived.better_auth(secrets).keys, *KEYS]
    token_without_kid = cookies.encrypted(b'{"a":1}', KEYS[1].material, {"enc": KEYS[1].algorithm})
    with pytest.raises(Refused) as refused:
        _jwe.decrypt(_jwe.parse(token_without_kid), keys)
    assert "tried 8 keys: " in refused.value.detail
    assert _jwe.decrypt(_jwe.parse(token_without_kid), KEYS)[0] == {"a": 1}


def test_a_header_is_kept_once_a_key_has_opened_a_token_with_it_and_not_before() -> None:
    token = cookies.encrypted(b'{"a":1}', KEYS[1].material, {"alg": "dir", "enc": "A256CBC-HS512", "x": "kept"})
    header = token.partition(".")[0]
    with pytest.raises(Refused):
        _jwe.decrypt(_jwe.parse(with_part(4, b64(b"t" * 32), token)), KEYS)
    assert header not in _jwe._HEADERS
    _jwe.decrypt(_jwe.parse(token), KEYS)
    assert header in _jwe._HEADERS
    assert _jwe.decrypt(_jwe.parse(token), KEYS) == ({"a": 1}, KEYS[1])
    with pytest.raises(Refused, match="undecryptable_token"):
        _jwe.decrypt(_jwe.parse(token), derived.better_auth((OTHER_SECRET,)).keys)


def test_few_headers_are_kept() -> None:
    for number in range(2 * _jwe._MAX_HEADERS):
        header = {"alg": "dir", "enc": "A256CBC-HS512", "x": number}
        _jwe.decrypt(_jwe.parse(cookies.encrypted(b"{}", KEYS[1].material, header)), KEYS)
    assert len(_jwe._HEADERS) == _jwe._MAX_HEADERS
    assert all(len(header) <= _jwe.MAX_HEADER_CHARACTERS for header in _jwe._HEADERS)
