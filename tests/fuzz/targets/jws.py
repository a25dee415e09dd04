"""JWS and what is signed like it. No token proves anybody unless somebody with the key signed exactly its bytes.

The input: a line of two characters, then a token. The second character chooses a genuine token. The first says how the
token is written: "t" as it is, "j" as lines of header, payload and signature, the first two as JSON. Or it is "s": the
target signs header and payload itself.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from authgate.core.decision import Allow
from authgate.core.errors import Refused
from authgate.tokens import jws
from authgate.tokens._base64url import encode
from tests.fuzz.genuine import Genuine, genuine, may_stand_alone
from tests.fuzz.inputs import chosen, lines_of, received
from tests.support.deciding import OUTPUTS, decide_token, make_issuer, make_snapshot
from tests.support.tokens import NOW, sign_raw

WORDS = (
    *(b'"alg":', b'"none"', b'"HS256"', b'"HS512"', b'"ES256"', b'"EdDSA"', b'"kid":', b'"crit":["exp"]', b'"zip":'),
    *(b'"b64":false', b'"jwk":{', b'"jku":', b'"typ":', b'"at+jwt"', b'"JWT"', b'"logout+jwt"', b'"id_token"'),
    *(b'"sub":', b'"exp":', b'"nbf":', b'"iat":', b'"aud":', b'"iss":', b'"nonce":', b'"at_hash":', b'"events":{}'),
    *(
        b'"scope":',
        b'"roles":',
        b'"email":',
        b'"_claim_names":',
        b"1e308",
        b"1e309",
        b"1800000000",
        b"\\ud800",
        b"null",
    ),
)

# Those with a public key, then those with a secret.
_GENUINE = tuple(
    genuine(name)
    for name in (
        *("ba-jwt-eddsa", "ba-jwt-es256", "ba-jwt-ps256", "ba-jwt-rs256", "ba-cookie-jwt-jwks"),
        *("ba-cookie-jwt", "ba-cookie-compact"),
    )
)
_SNAPSHOT = make_snapshot(make_issuer(), outputs=OUTPUTS)
_LEEWAY = 30
_OTHER_PURPOSES = ("at_hash", "c_hash", "events")


def check(data: bytes) -> None:
    first, *rest = lines_of(data)
    of = chosen(first[1:2], _GENUINE)
    if first.startswith(b"s"):
        header, payload, *_ = (*rest, b"", b"")
        _check_signed(header, payload)
    elif first.startswith(b"j"):
        header, payload, signature, *_ = (*rest, b"", b"", b"")
        _check_changed(of, f"{encode(header)}.{encode(payload)}.{received(signature)}")
    else:
        _check_changed(of, received(b"\n".join(rest)))


def _check_changed(of: Genuine, token: str) -> None:
    _check_parse(token)
    if not may_stand_alone(token):
        return
    if isinstance(of.decide(token), Allow):
        assert _signed_part(token) == _signed_part(of.token)


def _signed_part(token: str) -> str:
    """Return what the signature is over. ES256 has a second signature for the same bytes, which anybody can compute."""
    return token.rpartition(".")[0] or token


def _check_parse(token: str) -> None:
    """A token is read as another parser reads it, and has one spelling."""
    try:
        parsed = jws.parse(token)
    except Refused:
        return
    header, payload, signature = token.split(".")
    assert f"{header}.{payload}".encode() == parsed.signing_input
    assert encode(parsed.signature) == signature


def _check_signed(header: bytes, payload: bytes) -> None:
    """What the right key signed is allowed only if it says what an access token has to say."""
    decision = decide_token(sign_raw(header, payload), _SNAPSHOT)
    if not isinstance(decision, Allow):
        assert len(decision.detail) < 1000
        return
    read_header, claims = _strict(header), _strict(payload)
    assert read_header["alg"] == "HS256"
    assert not {"crit", "b64", "zip"} & read_header.keys()
    assert isinstance(read_header.get("kid", ""), str)
    assert decision.identity is not None
    assert decision.identity.subject == claims["sub"] != ""
    assert claims["exp"] > NOW - _LEEWAY
    assert claims.get("nbf", NOW) <= NOW + _LEEWAY
    assert not [name for name in _OTHER_PURPOSES if name in claims]
    assert unquote(dict(decision.headers)["X-User-Id"], errors="surrogatepass") == claims["sub"]


def _strict(text: bytes) -> dict[str, Any]:
    """Return the object in *text*, and assert that no name occurs twice in it."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs)
        return dict(pairs)

    read = json.loads(text.decode(), object_pairs_hook=once)
    assert isinstance(read, dict)
    return read
