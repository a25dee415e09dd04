"""JWE in compact form under a shared key (RFC 7516 §7.1, `alg` "dir"), read strictly and decrypted by joserfc.

Nothing else of JWE is read: no `zip` (J17), no password (J18), no key made for somebody's public half (J19, J20).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry, decrypt_compact

from authgate.core.errors import Refused, quoted
from authgate.core.reasons import Reason
from authgate.tokens import _base64url, _json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authgate.core.keys import Key

MAX_TOKEN_BYTES = 64 * 1024
MAX_HEADER_CHARACTERS = 1024
# A token without `kid` is tried under this many keys at most.
MAX_KEYS_TRIED = 8

# Content encryption (RFC 7518 §5.1): the length in bytes of its key, initialization vector and tag.
ENCRYPTIONS = {"A256CBC-HS512": (64, 16, 32), "A256GCM": (32, 12, 16)}

_REFUSED_PARAMETERS = ("crit", "b64", "zip")
_REGISTRY = JWERegistry(algorithms=["dir", *ENCRYPTIONS], strict_check_header=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedJwe:
    """A well-formed JWE of which nothing may be believed. *encryption* is the header's `enc`, *key_id* its `kid`."""

    encryption: str
    key_id: str | None
    compact: str = field(repr=False)


def looks_like(token: str) -> bool:
    """Say whether *token* has the shape of a compact JWE: five parts between dots."""
    return token.count(".") == 4


def parse(token: str) -> UnverifiedJwe:
    """Return what *token*, at most 64 KiB long, is; raise `Refused` for what is not a JWE that is read here."""
    if len(token) > MAX_TOKEN_BYTES:
        raise _malformed(f"it is {len(token)} bytes long, over {MAX_TOKEN_BYTES}")
    if not looks_like(token) or not token.isascii():
        raise _malformed("it is not five parts of ASCII between dots")
    encoded_header, encrypted_key, *encoded = token.split(".")
    header = _header(encoded_header)
    encryption, key_id = header.get("enc"), header.get("kid")
    if header.get("alg") != "dir":
        found = quoted(str(header.get("alg")))
        raise Refused(Reason.WRONG_ALGORITHM, f"its alg is {found}; encrypted tokens are read with alg 'dir' only")
    if not isinstance(encryption, str) or encryption not in ENCRYPTIONS:
        accepted = ", ".join(ENCRYPTIONS)
        raise Refused(Reason.WRONG_ALGORITHM, f"its enc is {quoted(str(encryption))}; accepted: {accepted}")
    if key_id is not None and not isinstance(key_id, str):
        raise _malformed("its header's 'kid' is not a string")
    vector, ciphertext, tag = (_decoded(part) for part in encoded)
    if encrypted_key or (len(vector), len(tag)) != ENCRYPTIONS[encryption][1:] or not ciphertext:
        raise _malformed(f"its parts have not the lengths that {encryption} with 'dir' needs")
    return UnverifiedJwe(encryption=encryption, key_id=key_id, compact=token)


def decrypt(jwe: UnverifiedJwe, keys: Iterable[Key]) -> tuple[dict[str, Any], Key]:
    """Return the JSON object in *jwe* and the one of *keys* that opened it, or raise `Refused`.

    A key is tried only for its own algorithm, and where the token names a key, only that one. Whatever is wrong with
    tag or padding, the refusal is the same (J19).
    """
    fitting = [key for key in keys if key.algorithm == jwe.encryption]
    if jwe.key_id is not None:
        fitting = [key for key in fitting if key.key_id in {jwe.key_id, None}]
    for key in fitting[:MAX_KEYS_TRIED]:
        plaintext = _opened(jwe.compact, key)
        if plaintext is not None:
            return _payload(plaintext), key
    why = f"tried {min(len(fitting), MAX_KEYS_TRIED)} key(s)" if fitting else "no key has its kid and enc"
    raise Refused(Reason.UNDECRYPTABLE_TOKEN, f"{why}; enc {jwe.encryption}, kid {quoted(jwe.key_id)}")


def _opened(compact: str, key: Key) -> bytes | None:
    try:
        return decrypt_compact(compact, key.material, registry=_REGISTRY).plaintext
    except (JoseError, ValueError):
        return None


def _payload(plaintext: bytes) -> dict[str, Any]:
    try:
        return _json.parse_object(plaintext)
    except ValueError as error:
        raise _malformed(f"what it holds is not acceptable: {_said(error)}") from None


def _header(encoded: str) -> dict[str, Any]:
    if len(encoded) > MAX_HEADER_CHARACTERS:
        raise _malformed(f"its header is longer than {MAX_HEADER_CHARACTERS} characters")
    try:
        header = _json.parse_object(_base64url.decode(encoded))
    except ValueError as error:
        raise _malformed(f"its header is not acceptable: {_said(error)}") from None
    for name in _REFUSED_PARAMETERS:
        if name in header:
            raise _malformed(f"its header has {name!r}, which is not supported")
    return header


def _decoded(encoded: str) -> bytes:
    try:
        return _base64url.decode(encoded)
    except ValueError as error:
        raise _malformed(f"one of its parts is {error}") from None


def _said(error: ValueError) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _malformed(detail: str) -> Refused:
    return Refused(Reason.MALFORMED_TOKEN, detail)
