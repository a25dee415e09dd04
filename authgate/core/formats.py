"""Which issuer and which format an unverified credential belongs to. Uses no key; the format verifies it afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.core.snapshot import Issuers

if TYPE_CHECKING:
    from authgate.core.attempts import Attempts
    from authgate.core.credential import Credential
    from authgate.core.proof import Proof
    from authgate.core.snapshot import Issuer, TokenFormat, Unverified


def choose_format(credential: Credential, issuers: tuple[Issuer, ...]) -> tuple[TokenFormat, Unverified, Issuer]:
    """Return the unverified token in *credential*, the issuer it claims to be from, and that issuer's format.

    Raises `Refused` if no format recognizes it, or no issuer is the one that it names.
    """
    asked = issuers if isinstance(issuers, Issuers) else Issuers(issuers)
    if credential.issuer_name:
        asked = _alone(asked.by_name.get(credential.issuer_name))
    recognized = [token_format for token_format in asked.by_format if token_format.recognizes(credential)]
    if not recognized:
        raise Refused(Reason.MALFORMED_TOKEN, lambda: _describe_shape(credential, issuers))
    parser = recognized[0]
    token = parser.parse(credential)
    if len(recognized) == 1:
        return parser, token, token.choose_issuer(asked.by_format[parser])
    same_shape = tuple(token_format for token_format in recognized if token_format.shape == parser.shape)
    issuer = token.choose_issuer(asked.with_format(same_shape))
    return next(token_format for token_format in issuer.formats if token_format in same_shape), token, issuer


def _alone(issuer: Issuer | None) -> Issuers:
    """Return *issuer* as the only one. It keeps that, with the indexes."""
    if issuer is None:
        return Issuers()
    alone: Issuers | None = issuer.prepared.get("alone")
    if alone is None:
        alone = issuer.prepared["alone"] = Issuers((issuer,))
    return alone


def verify(token_format: TokenFormat, token: Unverified, issuer: Issuer, attempts: Attempts) -> Proof | Refused:
    """Return what *token* proves under the keys of *issuer*, or the refusal. Raise `TooManyAttempts`."""
    try:
        return token_format.verify(token, issuer, attempts)
    except Refused as refused:
        return refused


def _describe_shape(credential: Credential, issuers: tuple[Issuer, ...]) -> str:
    """Return a description of a token that no format of *issuers* recognizes. It does not quote the token."""
    token = credential.token or credential.parts[0][1]
    if token.startswith("{"):
        return "a JSON object; only the compact serialization of a JWS is accepted"
    parts = token.count(".") + 1
    if credential.issuer_name:
        return (
            f"a session cookie with {parts} dot-separated parts: an encrypted cookie has 5, "
            "and an opaque cookie needs a session store (`sessions`)"
        )
    formats = (token_format for issuer in issuers for token_format in issuer.formats)
    if parts == 2 and any(token_format.name.startswith("better-auth") for token_format in formats):
        return (
            "2 dot-separated parts, like a session token of Better Auth, which no issuer accepts here: "
            "set `bearer` to accept it in a header"
        )
    if parts == 5:
        return "5 dot-separated parts: an encrypted token (JWE), which no configured issuer accepts"
    return f"{len(token)} characters and {parts - 1} dots; a JWT has 2 dots"
