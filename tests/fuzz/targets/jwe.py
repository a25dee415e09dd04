"""JWE. No token proves anybody unless somebody with the key encrypted it.

The input: a line of two characters, then a token. The second character chooses a genuine token. The first says how the
token is written: "t" as it is, "j" with the header as JSON on a line of its own. Or it is "e": the target encrypts the
plaintext on the third line itself, under the header on the second.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from joserfc import jwe
from joserfc.errors import JoseError

from authgate.core.decision import Allow
from authgate.core.errors import Refused
from authgate.tokens import _jwe
from authgate.tokens._base64url import encode
from authgate.tokens._percent import percent_decoded
from tests.fuzz.genuine import Genuine, genuine, may_stand_alone
from tests.fuzz.inputs import chosen, lines_of, received

if TYPE_CHECKING:
    from authgate.core.keys import Key

WORDS = (
    *(b'"alg":"dir"', b'"alg":"A256KW"', b'"alg":"PBES2-HS256+A128KW"', b'"enc":"A256CBC-HS512"', b'"enc":"A256GCM"'),
    *(b'"enc":"A128GCM"', b'"kid":', b'"zip":"DEF"', b'"crit":["exp"]', b'"p2c":1000000', b'"cty":"JWT"', b"null"),
    *(b'"sub":', b'"exp":', b'"iat":', b'"jti":', b'"session":{', b'"user":{', b'"userId":', b'"expiresAt":', b'"id":'),
    *(b'"updatedAt":', b'"version":', b'"token":', b"..", b"1e309", b"1795335999", b"\\ud800"),
)

_GENUINE = tuple(
    genuine(name) for name in ("authjs-v5", "authjs-v5-bearer", "nextauth-v4", "ba-cookie-jwe", "ba-cookie-jwe-secure")
)
_REGISTRY = jwe.JWERegistry(algorithms=["dir", *_jwe.ENCRYPTIONS], strict_check_header=False)


def check(data: bytes) -> None:
    first, *rest = lines_of(data)
    of = chosen(first[1:2], _GENUINE)
    if first.startswith(b"e"):
        header, plaintext, *_ = (*rest, b"", b"")
        _check_encrypted(of, header, plaintext)
    elif first.startswith(b"j"):
        header, others, *_ = (*rest, b"", b"")
        _check_changed(of, f"{encode(header)}.{received(others)}")
    else:
        _check_changed(of, received(b"\n".join(rest)))


def _check_changed(of: Genuine, token: str) -> None:
    _check_parse(token)
    if may_stand_alone(token) and isinstance(of.decide(token), Allow):
        # The libraries decode a token in a header. In a cookie they would find no JWE.
        sent = percent_decoded(token) if of.header == "authorization" else token
        assert sent == of.token


def _check_parse(token: str) -> None:
    """No key is tried with a token that is not of the accepted kind."""
    try:
        parsed = _jwe.parse(token)
    except Refused:
        return
    header, key, vector, ciphertext, tag = token.split(".")
    assert not key
    assert ciphertext
    lengths = tuple(len(encoded) * 3 // 4 for encoded in (vector, tag))
    assert lengths == _jwe.ENCRYPTIONS[parsed.encryption][1:]
    assert len(header) <= _jwe.MAX_HEADER_CHARACTERS


def _check_encrypted(of: Genuine, header: bytes, plaintext: bytes) -> None:
    """What the right key encrypted is allowed only if it holds a user and a time at which it ends."""
    for key in of.snapshot.issuers[0].session_key_set.keys:
        if key.algorithm in _jwe.ENCRYPTIONS and (token := _encrypted(key, header, plaintext)):
            decision = of.decide(token)
            if isinstance(decision, Allow):
                claims = json.loads(plaintext.decode())
                subject = claims["user"]["id"] if of.name.startswith("ba-") else claims["sub"]
                assert decision.identity is not None
                assert decision.identity.subject == str(subject) != ""
                assert claims["exp"] > of.now


def _encrypted(key: Key, header: bytes, plaintext: bytes) -> str:
    """Return *plaintext* as a JWE under *key*; "" if no library would write this *header*."""
    try:
        members: dict[str, Any] = dict(json.loads(header))
        own = {"alg": "dir", "enc": key.algorithm} | ({"kid": key.key_id} if key.key_id else {})
        return jwe.encrypt_compact({**own, **members}, plaintext, key.material, registry=_REGISTRY)
    except (JoseError, ValueError, TypeError, RecursionError):
        return ""
