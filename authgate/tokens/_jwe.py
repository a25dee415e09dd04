"""Parse and decrypt compact JWE under a shared key (RFC 7516 §7.1, `alg` "dir"). joserfc does the decryption.

Everything else in JWE is refused: `zip` (J17), passwords (J18), and keys encrypted to a public key (J19, J20).
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry

from authgate.core.credential import MAX_TOKEN_CHARACTERS
from authgate.core.errors import Refused
from authgate.core.keys import keys_tried
from authgate.core.quick_dataclass import quick_dataclass
from authgate.core.quoting import quoted
from authgate.core.reasons import Reason
from authgate.tokens import _base64url, _json
from authgate.tokens._small_cache import put

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authgate.core.keys import Key

MAX_HEADER_CHARACTERS = 1024
# How many keys to try at most for a token without `kid`.
MAX_KEYS_TRIED = 8

# Content encryption (RFC 7518 §5.1): lengths of the key, the initialization vector and the tag, in bytes.
ENCRYPTIONS = {"A256CBC-HS512": (64, 16, 32), "A256GCM": (32, 12, 16)}

_REFUSED_PARAMETERS = ("crit", "b64", "zip")
_REGISTRY = JWERegistry(algorithms=[*ENCRYPTIONS])
_BY_NAME = {name: _REGISTRY.get_enc(name) for name in ENCRYPTIONS}

# The `enc` and `kid` of headers, by their text. A header is kept once a key has opened a token with it, as in jws.py.
_HEADERS: dict[str, tuple[str, str | None]] = {}
_MAX_HEADERS = 64


@quick_dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedJwe:
    """A well-formed JWE, not yet verified. *encryption* is the header's `enc`, *key_id* its `kid`.

    *aad* is the encoded header, which the tag covers, too (RFC 7516 §5.1, step 14).
    """

    encryption: str
    key_id: str | None
    vector: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)
    tag: bytes = field(repr=False)
    aad: bytes = field(repr=False)


def has_shape(token: str) -> bool:
    """Whether *token* has the shape of a compact JWE: five parts, separated by dots."""
    return token.count(".") == 4


def parse(token: str) -> UnverifiedJwe:
    """Return the parts of *token*, at most 16 KiB long. Raise `Refused` if it is not a JWE of the accepted kind."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise _malformed(f"it is {len(token)} characters long, over {MAX_TOKEN_CHARACTERS}")
    if not has_shape(token) or not token.isascii():
        raise _malformed("it is not five parts of ASCII, separated by dots")
    encoded_header, encrypted_key, encoded_vector, encoded_ciphertext, encoded_tag = token.split(".")
    encryption, key_id = _HEADERS.get(encoded_header) or _header(encoded_header)
    vector, ciphertext, tag = _decode(encoded_vector), _decode(encoded_ciphertext), _decode(encoded_tag)
    if encrypted_key or (len(vector), len(tag)) != ENCRYPTIONS[encryption][1:] or not ciphertext:
        raise _malformed(f"the lengths of its parts do not fit {encryption} with alg 'dir'")
    return UnverifiedJwe(
        encryption=encryption,
        key_id=key_id,
        vector=vector,
        ciphertext=ciphertext,
        tag=tag,
        aad=encoded_header.encode("ascii"),
    )


def decrypt(jwe: UnverifiedJwe, keys: Iterable[Key]) -> tuple[dict[str, Any], Key]:
    """Return the JSON object in *jwe* and the key of *keys* that decrypts it, or raise `Refused`.

    Each key is tried only for its own algorithm. If the token names a key, keys with another id are not tried. A wrong
    tag and wrong padding give the same refusal (J19).
    """
    fitting = [key for key in keys if key.algorithm == jwe.encryption]
    if jwe.key_id is not None:
        fitting = [key for key in fitting if key.key_id in {jwe.key_id, None}]
    for key in fitting[:MAX_KEYS_TRIED]:
        plaintext = _plaintext(jwe, key)
        if plaintext is not None:
            encoded_header = jwe.aad.decode("ascii")
            if encoded_header not in _HEADERS:
                put(_HEADERS, encoded_header, (jwe.encryption, jwe.key_id), _MAX_HEADERS)
            return _payload(plaintext), key
    cause = keys_tried(fitting[:MAX_KEYS_TRIED]) if fitting else "no key has its kid and enc"
    raise Refused(Reason.UNDECRYPTABLE_TOKEN, f"{cause}; enc {jwe.encryption}, kid {quoted(jwe.key_id)}")


def _plaintext(jwe: UnverifiedJwe, key: Key) -> bytes | None:
    """Return the plaintext, None if *key* does not decrypt it."""
    # Not decrypt_compact(): it would decode and parse the whole token again for each key.
    try:
        return _BY_NAME[jwe.encryption].decrypt(jwe.ciphertext, jwe.tag, key.material.raw_value, jwe.vector, jwe.aad)
    except (JoseError, ValueError):
        return None


def _payload(plaintext: bytes) -> dict[str, Any]:
    try:
        return _json.parse_object(plaintext)
    except ValueError as error:
        raise _malformed(f"its plaintext is not acceptable: {error}") from None


def _header(encoded: str) -> tuple[str, str | None]:
    """Return the `enc` and `kid` of a header, or raise `Refused`."""
    if len(encoded) > MAX_HEADER_CHARACTERS:
        raise _malformed(f"its header is longer than {MAX_HEADER_CHARACTERS} characters")
    try:
        header = _json.parse_object(_base64url.decode(encoded))
    except ValueError as error:
        raise _malformed(f"its header is not acceptable: {error}") from None
    for name in _REFUSED_PARAMETERS:
        if name in header:
            raise _malformed(f"its header has {name!r}, which is not supported")
    encryption, key_id = header.get("enc"), header.get("kid")
    if header.get("alg") != "dir":
        algorithm = quoted(str(header.get("alg")))
        raise Refused(Reason.WRONG_ALGORITHM, f"its alg is {algorithm}; accepted for encrypted tokens: 'dir'")
    if not isinstance(encryption, str) or encryption not in ENCRYPTIONS:
        accepted = ", ".join(ENCRYPTIONS)
        raise Refused(Reason.WRONG_ALGORITHM, f"its enc is {quoted(str(encryption))}; accepted: {accepted}")
    if key_id is not None and not isinstance(key_id, str):
        raise _malformed("its header's 'kid' is not a string")
    return encryption, key_id


def _decode(encoded: str) -> bytes:
    try:
        return _base64url.decode(encoded)
    except ValueError as error:
        raise _malformed(f"one of its parts is {error}") from None


def _malformed(detail: str) -> Refused:
    return Refused(Reason.MALFORMED_TOKEN, detail)
