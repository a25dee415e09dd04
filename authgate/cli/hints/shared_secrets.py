"""Hints about a shared secret: the two sides read the same text in different ways."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from authgate.core.keys import NO_KEYS, KeySet
from authgate.files import read_bounded
from authgate.presets import PRESETS
from authgate.tokens import jwk, secrets
from authgate.tokens.algorithms import HMAC_MIN_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from authgate.cli.hints.case import Case
    from authgate.core.snapshot import Issuer
    from authgate.presets.preset import LoadedIssuer, Preset

_LINE_BREAK = (
    "The side that signs has this line break in its secret: remove it there. `echo` writes one, `printf` none."
)
_QUOTES_HERE = "Remove the quotes from AuthGate's secret."
_QUOTES_THERE = (
    "The side that signs has quotes in its secret: remove them there. Docker's --env-file, for example, keeps quotes."
)
_TEXT = "The side that signs uses the text itself, and AuthGate the bytes that it stands for: give AuthGate the text."


class _Reading(NamedTuple):
    """Another way to read a secret: its name, the function (ValueError: not possible), and what to change.

    With *source*, AuthGate needs the decoded bytes; *source* says how to write them as the member `k` of a JWK.
    """

    name: str
    read: Callable[[bytes], bytes]
    change: str = ""
    source: str = ""


def _base64(secret: bytes) -> bytes:
    return base64.b64decode(secret + b"=" * (-len(secret) % 4), validate=True)


def _base64url(secret: bytes) -> bytes:
    return base64.b64decode(secret + b"=" * (-len(secret) % 4), altchars=b"-_", validate=True)


def _hex(secret: bytes) -> bytes:
    return binascii.a2b_hex(secret)


def _unquoted(secret: bytes) -> bytes:
    if len(secret) < 2 or secret[:1] != secret[-1:] or secret[:1] not in b"\"'":
        raise ValueError
    return secret[1:-1]


_DECODINGS = (
    _Reading("decoded from base64", _base64, source="the text, with - for +, _ for / and no ="),
    _Reading("decoded from base64url", _base64url, source="the text, without ="),
    _Reading("decoded from hex", _hex, source="the bytes, in base64url without ="),
)
_READINGS = (
    _Reading("without its quotes", _unquoted, _QUOTES_HERE),
    _Reading("in double quotes", lambda secret: b'"' + secret + b'"', _QUOTES_THERE),
    _Reading("in single quotes", lambda secret: b"'" + secret + b"'", _QUOTES_THERE),
    _Reading("with a line feed at its end", lambda secret: secret + b"\n", _LINE_BREAK),
    _Reading("with CR LF at its end", lambda secret: secret + b"\r\n", _LINE_BREAK),
)
# These bytes are not text: somebody decoded them.
_ENCODINGS = (
    _Reading("encoded in base64", base64.b64encode, _TEXT),
    _Reading("encoded in base64 without =", lambda secret: base64.b64encode(secret).rstrip(b"="), _TEXT),
    _Reading("encoded in base64url", base64.urlsafe_b64encode, _TEXT),
    _Reading("encoded in base64url without =", lambda secret: base64.urlsafe_b64encode(secret).rstrip(b"="), _TEXT),
    _Reading("encoded in hex", binascii.b2a_hex, _TEXT),
)


def another_reading(case: Case) -> str:
    """Say how the configured secret must be read, so that it verifies or decrypts the credential."""
    issuer = case.issuer
    if issuer is None:
        return ""
    loaded = case.configured[issuer.name]
    for secret in dict.fromkeys(secrets_of(loaded, issuer)):
        for names, changed, reading in _read(secret, is_session=loaded.config.has_sessions):
            trial = _with_secret(case, loaded, issuer, changed)
            if trial is not None and case.is_signed_under(trial):
                return f"The secret of issuer {issuer.name}, {names}, {_change(case, loaded, reading, changed)}"
    return ""


def another_library(case: Case) -> str:
    """Say that the secret decrypts the session cookie as the other library of the two makes it."""
    issuer, credential = case.issuer, case.credential
    if issuer is None or credential is None or not credential.issuer_name:
        return ""
    loaded, cookie = case.configured[issuer.name], credential.found_in.removeprefix("cookie:")
    for name, preset in PRESETS.items():
        if preset.cookie_format is None or name == loaded.config.preset:
            continue
        for secret in secrets_of(loaded, issuer):
            keys = session_keys(preset, secret, [cookie])
            if case.is_signed_under(replace(issuer, formats=(preset.cookie_format,), session_key_set=keys)):
                return (
                    f"The secret of issuer {issuer.name} decrypts this cookie as one of {preset.library}: set `preset: "
                    f"{name}`."
                )
    return ""


def secrets_of(loaded: LoadedIssuer, issuer: Issuer) -> Iterator[bytes]:
    """Yield the shared secrets of *issuer*. For JWTs, the secret itself is the key."""
    yield from (key.material for key in issuer.key_set.keys if key.algorithm in HMAC_MIN_BYTES)
    if loaded.config.has_sessions:
        yield from loaded.secrets
        if loaded.config.secret_file is not None:
            yield secrets.without_line_break(read_bounded(loaded.config.secret_file, jwk.MAX_DOCUMENT_BYTES))


def _read(secret: bytes, *, is_session: bool) -> Iterator[tuple[str, bytes, _Reading]]:
    """Yield the names of each way to read *secret*, the result, and the last reading.

    The session libraries use the text of a secret as it is.
    """
    rows = [*_READINGS] if is_session else [*_DECODINGS, *_READINGS, *_ENCODINGS]
    for reading in rows:
        try:
            changed = reading.read(secret)
        except ValueError:
            continue
        yield reading.name, changed, reading
        for second in () if is_session or reading.read is not _unquoted else _DECODINGS:
            try:
                yield f"{reading.name} and {second.name}", second.read(changed), second
            except ValueError:
                continue


def _with_secret(case: Case, loaded: LoadedIssuer, issuer: Issuer, secret: bytes) -> Issuer | None:
    """Return *issuer* with *secret* in place of its own, fit or not; None if the token is not made with a secret."""
    if loaded.config.has_sessions:
        cookies = sorted({key.purpose for key in issuer.session_key_set.keys})
        return replace(issuer, session_key_set=session_keys(PRESETS[loaded.config.preset], secret, cookies))
    token = case.jws
    if token is None or token.algorithm not in HMAC_MIN_BYTES:
        return None
    thumbprint = hashlib.sha256(secret).digest()
    keys = tuple(
        replace(key, material=secret, algorithm=token.algorithm, thumbprint=thumbprint) for key in issuer.key_set.keys
    )
    return replace(issuer, key_set=KeySet(keys=keys), algorithms=issuer.algorithms | {token.algorithm})


def session_keys(preset: Preset, secret: bytes, cookies: Sequence[str]) -> KeySet:
    """Return the keys that the library of *preset* derives from *secret* for the session *cookies*."""
    return NO_KEYS if preset.session_keys is None else preset.session_keys((secret,), cookies, check=False)


def _change(case: Case, loaded: LoadedIssuer, reading: _Reading, secret: bytes) -> str:
    """Return what the secret does to the token, and what to change."""
    if loaded.config.has_sessions or case.jws is None:
        return f"verifies the session. {reading.change}"
    algorithm = case.jws.algorithm
    verdict = f"verifies the token ({algorithm}). "
    if not reading.source:
        return verdict + reading.change
    needed = HMAC_MIN_BYTES[algorithm]
    if len(secret) < needed:
        return (
            f"{verdict}But it has only {len(secret)} bytes, and {algorithm} needs {needed} (RFC 7518 §3.2): choose a "
            "longer secret for both sides."
        )
    return (
        f"{verdict}AuthGate takes the text of a secret as it is. Give it the decoded bytes as a JWK instead, in a file "
        f'that `jwks_file` names: {{"kty": "oct", "k": "…", "alg": "{algorithm}"}}, where k is {reading.source}.'
    )
