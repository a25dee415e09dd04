"""Parse compact JWS strictly (RFC 7515), and verify it with one key and one algorithm at a time (RFC 8725)."""

from __future__ import annotations

from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from authgate.core.credential import MAX_TOKEN_CHARACTERS
from authgate.core.errors import Refused
from authgate.core.keys import keys_tried
from authgate.core.quick_dataclass import quick_dataclass
from authgate.core.quoting import quoted
from authgate.core.reasons import Reason
from authgate.tokens import _base64url, _json, algorithms
from authgate.tokens._small_cache import put

if TYPE_CHECKING:
    from authgate.core.attempts import Attempts
    from authgate.core.keys import Key, KeySet
    from authgate.tokens.algorithms import Verify

MAX_KEY_ID_CHARACTERS = 256
# How many fitting keys to try at most for a token without `kid`.
MAX_KEYS_TRIED = 8

# Header parameters that change what the signature covers or means (RFC 7515 §4.1.11, RFC 7797, RFC 7516 §4.1.3).
_REFUSED_PARAMETERS = ("crit", "b64", "zip")


class _Header(NamedTuple):
    """What is read of a header: its `alg`, `kid` and `typ`, and whether it has a `nonce`."""

    algorithm: str
    key_id: str | None
    token_type: str | None
    has_nonce: bool


# Headers by their text. The tokens of an issuer share a few. A header is kept once a signature over it has verified, so
# nobody without a key fills these 64 KiB. It is no secret, and what is read of it depends on nothing else.
_HEADERS: dict[str, _Header] = {}
_MAX_HEADERS = 128
_MAX_HEADER_CHARACTERS = 512

# For the `alg` and `kid` of tokens that it has verified, a key set keeps the keys to try.
_MAX_PREPARED = 128
_Choice: TypeAlias = "tuple[tuple[Key, bool, Verify], ...]"


@quick_dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedJws:
    """A well-formed JWS, not yet verified. *algorithm*, *key_id* and *token_type* are its `alg`, `kid` and `typ`.

    *has_nonce*: its header has a `nonce`. An issuer may sign the tokens for its own services over another value of it.
    `jwk`, `jku`, `x5u` and `x5c` in the header are ignored (J4).
    """

    algorithm: str
    key_id: str | None
    token_type: str | None
    payload: dict[str, Any] = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    has_nonce: bool = False
    encoded_header: str = field(default="", repr=False)


def parse(token: str) -> UnverifiedJws:
    """Return the parts of *token*, at most 16 KiB long. Raise `Refused` if it is not exactly a compact JWS."""
    if len(token) > MAX_TOKEN_CHARACTERS:  # checked before the token is split (J10)
        raise _malformed(f"it is {len(token)} characters long, over {MAX_TOKEN_CHARACTERS}")
    if token.count(".") != 2:
        raise _malformed("it does not have exactly two dots")
    if not token.isascii():
        raise _malformed("it contains a character outside ASCII")
    encoded_header, encoded_payload, encoded_signature = token.split(".")
    algorithm, key_id, token_type, has_nonce = _HEADERS.get(encoded_header) or _header(encoded_header)
    return UnverifiedJws(
        algorithm=algorithm,
        key_id=key_id,
        token_type=token_type,
        payload=_object(encoded_payload, "payload"),
        signing_input=token[: -1 - len(encoded_signature)].encode("ascii"),
        signature=_bytes(encoded_signature, "signature"),
        has_nonce=has_nonce,
        encoded_header=encoded_header,
    )


def _header(encoded: str) -> _Header:
    header = _object(encoded, "header")
    for name in _REFUSED_PARAMETERS:
        if name in header:
            raise _malformed(f"its header has {name!r}, which is not supported")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise _malformed("its header has no 'alg', or one that is not a string")
    return _Header(algorithm, _text(header, "kid"), _text(header, "typ"), "nonce" in header)


def verify_signature(jws: UnverifiedJws, keys: KeySet, allowed: frozenset[str], attempts: Attempts) -> Key:
    """Return the key of *keys* that verifies the signature of *jws*, or raise `Refused`.

    `kid` and `alg` choose the key: several keys may have one `kid`, each with another algorithm (RFC 7517 §4.5). `alg`
    must be in *allowed* and must equal the key's own algorithm (RFC 8725 §3.1). So no key is ever used in a way that it
    was not made for (J2, J3).
    """
    wanted = (jws.algorithm, jws.key_id, allowed)
    known: _Choice | None = keys.prepared.get(wanted)
    choice = known or _choice(jws, keys, allowed)
    for key, is_symmetric, verify in choice:
        if is_symmetric:
            verifies = verify(jws.signing_input, jws.signature)
        else:
            verifies = attempts.verifies(
                (key.thumbprint, jws.signing_input, jws.signature), partial(verify, jws.signing_input, jws.signature)
            )
        if verifies:
            if known is None:
                put(keys.prepared, wanted, choice, _MAX_PREPARED)
            if jws.encoded_header not in _HEADERS:
                _keep_header(jws)
            return key
    raise _refusal(jws, keys, allowed)


def _choice(jws: UnverifiedJws, keys: KeySet, allowed: frozenset[str]) -> _Choice:
    """Return the keys to try for *jws*, each with whether it is a secret, and with its function."""
    _, _, fitting = _fitting(jws, keys, allowed)
    return tuple((key, key.is_symmetric, algorithms.verifier_of(key)) for key in fitting[:MAX_KEYS_TRIED])


def _keep_header(jws: UnverifiedJws) -> None:
    """Keep what was read of the header of *jws*, which has been verified."""
    if 0 < len(jws.encoded_header) <= _MAX_HEADER_CHARACTERS:
        header = _Header(jws.algorithm, jws.key_id, jws.token_type, jws.has_nonce)
        put(_HEADERS, jws.encoded_header, header, _MAX_HEADERS)


def _fitting(jws: UnverifiedJws, keys: KeySet, allowed: frozenset[str]) -> tuple[list[Key], list[Key], list[Key]]:
    """Return the keys that *jws* names by its id, those that it may mean, and those of them that fit its algorithm."""
    accepted = algorithms.fully_specified((jws.algorithm,)) & allowed
    named = [key for key in keys.keys if key.key_id == jws.key_id] if jws.key_id is not None else list(keys.keys)
    candidates = named or [key for key in keys.keys if key.key_id is None]
    return named, candidates, [key for key in candidates if key.algorithm in accepted]


def _refusal(jws: UnverifiedJws, keys: KeySet, allowed: frozenset[str]) -> Refused:
    """Return why none of *keys* verifies *jws*."""
    if algorithms.fully_specified((jws.algorithm,)).isdisjoint(allowed):
        accepted = ", ".join(sorted(allowed))
        return Refused(Reason.WRONG_ALGORITHM, f"its alg is {quoted(jws.algorithm)}; accepted: {accepted}")
    named, candidates, fitting = _fitting(jws, keys, allowed)
    if not named and _newer_key_may_have_signed(fitting, keys):
        skipped = keys.skip_reason(jws.key_id) if jws.key_id is not None else None
        cause = f", a key that is skipped: {skipped}" if skipped else ""
        return _refused(Reason.UNKNOWN_KEY, f"its kid is {quoted(jws.key_id)}{cause}", keys)
    if not fitting:
        return _wrong_algorithm(jws, candidates, keys)
    cause = "; its header has a nonce, so perhaps only one service can verify it" if jws.has_nonce else ""
    tried = keys_tried(fitting[:MAX_KEYS_TRIED])
    return _refused(Reason.BAD_SIGNATURE, f"its alg is {jws.algorithm}; {tried}{cause}", keys)


def _refused(reason: Reason, detail: str, keys: KeySet) -> Refused:
    return Refused(reason, detail, newer_keys_may_help=keys.newer_keys_may_help(reason))


def _newer_key_may_have_signed(tried: list[Key], keys: KeySet) -> bool:
    """Whether a token with an unknown `kid` may come from a key that the issuer made after the last load.

    It does not if a shared secret without an id was *tried*. Such a secret is tried for any `kid`, so the secrets of
    the two sides differ.
    """
    if tried:
        return not any(key.is_symmetric for key in tried)
    return not keys.keys or any(key.key_id is not None for key in keys.keys)


def _wrong_algorithm(jws: UnverifiedJws, candidates: list[Key], keys: KeySet) -> Refused:
    key_algorithms = ", ".join(sorted({key.algorithm for key in candidates}))
    detail = f"its alg is {quoted(jws.algorithm)}; the key is for {key_algorithms}"
    if jws.key_id is not None and (cause := keys.skip_reason(jws.key_id)):
        detail += f"; another key with its kid is skipped: {cause}"
    if all(key.is_symmetric for key in candidates) and not jws.algorithm.startswith("HS"):
        detail += ". It was signed with a private key, not with a secret: give the issuer's public keys as jwks_file"
    # The issuer may have made a key of another algorithm. A token with HS256 is none that it signed with a private key.
    may_help = keys.newer_keys_may_help(Reason.WRONG_ALGORITHM) and not jws.algorithm.startswith("HS")
    return Refused(Reason.WRONG_ALGORITHM, detail, newer_keys_may_help=may_help)


def _object(encoded: str, part: str) -> dict[str, Any]:
    raw = _bytes(encoded, part)
    try:
        return _json.parse_object(raw)
    except ValueError as error:
        raise _malformed(f"its {part} is not acceptable: {error}") from None


def _bytes(encoded: str, part: str) -> bytes:
    try:
        return _base64url.decode(encoded)
    except ValueError as error:
        padding = ": it has padding ('='), which AWS ALB writes, and no JWT has (RFC 7515 §2)" if "=" in encoded else ""
        raise _malformed(f"its {part} is {error}{padding}") from None


def _text(header: dict[str, Any], name: str) -> str | None:
    value = header.get(name)
    if value is None and name not in header:
        return None
    if not isinstance(value, str) or len(value) > MAX_KEY_ID_CHARACTERS:
        raise _malformed(f"its header's {name!r} is not a string of at most {MAX_KEY_ID_CHARACTERS} characters")
    return value


def _malformed(detail: str) -> Refused:
    return Refused(Reason.MALFORMED_TOKEN, detail)
