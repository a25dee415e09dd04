"""Hints about what is around a token, or is sent instead: padding, quotes, a second `Bearer`, another header."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from authgate.cli.hints.case import jws_in, token_in
from authgate.core.attempts import Attempts
from authgate.core.credential import UnverifiedToken
from authgate.core.errors import Refused
from authgate.core.proof import Proven
from authgate.core.quoting import escaped
from authgate.core.reasons import Reason
from authgate.presets.settings import JwtSettings
from authgate.tokens import jws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.cli.hints.case import Case
    from authgate.core.credential import Credential

# What programs write where a value is missing.
_PLACEHOLDERS = frozenset(
    {"undefined", "null", "none", "nil", "nan", "true", "false", "[object object]", "[object promise]", "token", "{}"}
)
# What to change if a place other than those of `credentials` holds a token.
_CHANGES = {
    "authorization": ", but not after `Bearer `: write that before it",
    "sec-websocket-protocol": ". AuthGate does not read subprotocols: send the token in a header or in a cookie",
    "query": ". AuthGate does not read the query, which ends up in logs: send the token in a header or in a cookie",
}
# What may be between a token and the words before it.
_BETWEEN = re.compile(r"[\s,\"']+|%20|%22")
_SCHEME = re.compile(r"([A-Za-z]{1,20})[ :=]+(.+)", re.DOTALL)
_COOKIE = re.compile(r"(?:^|;)[ \t]*([!#-+\--:<>-~]{1,80})=([^;]+)")
_MIN_TOKEN_CHARACTERS = 20
_MAX_TRIED = 16


def placeholder(case: Case) -> str:
    """Say that the client sends the name of an empty value in place of a token."""
    if case.credential is None or (text := _bare(case.credential.token)).lower() not in _PLACEHOLDERS:
        return ""
    return (
        f"The client sends the text `{text}` in place of a token ({case.credential.found_in}): the variable with the "
        "token is empty there."
    )


def padded(case: Case) -> str:
    """Say that the parts of the token are padded base64, which no JWT is."""
    credential = case.credential
    if credential is None or "=" not in credential.token:
        return ""
    unpadded = credential.token.replace("=", "")
    token = jws_in(unpadded)
    if token is None:
        return ""
    message = "The parts of the token are padded with `=`, which those of a JWT never are (RFC 7515 §2)."
    if not isinstance(case.tried(credential=_with_token(credential, unpadded)), Refused):
        return f"{message} Without the padding, the token is valid: send it so."
    signed_text = credential.token.rpartition(".")[0].encode()
    for issuer in case.snapshot.issuers:
        try:
            as_signed = replace(token, signing_input=signed_text)
            jws.verify_signature(as_signed, issuer.key_set, issuer.algorithms, Attempts())
        except Refused:
            continue
        message += f" The keys of issuer {issuer.name} made its signature, which covers the padding."
    if "x-amzn-oidc" in credential.found_in or b"arn:aws:elasticloadbalancing" in _header(unpadded):
        return (
            f"{message} AWS's load balancer (ALB) writes such tokens into x-amzn-oidc-data, and AuthGate reads none "
            "of them. If your provider's access tokens are JWTs, name x-amzn-oidc-accesstoken in `credentials`, and "
            "the provider as issuer: docs/issuers/aws-alb.md."
        )
    return f"{message} AWS's load balancer (ALB) writes such tokens, and so do programs that encode JWTs by hand."


def no_jwt(case: Case) -> str:
    """Say that the credential is not a signed JWT, where every issuer makes JWTs alone."""
    credential = case.credential
    if credential is None or placeholder(case) or any(one.config.has_sessions for one in case.configured.values()):
        return ""
    dots = credential.token.count(".")
    if dots == 2:
        return ""
    is_encrypted = dots == 4 and b'"enc"' in _header(credential.token)
    what = "an encrypted JWT (JWE), which only its recipient can read" if is_encrypted else "not a JWT"
    fixes = dict.fromkeys(one.config.jwt_fix for one in case.configured.values() if isinstance(one.config, JwtSettings))
    return f"The token ({credential.found_in}) is {what}. {' '.join(fixes)}"


def wrapped(case: Case) -> str:
    """Say what stands around a token that passes, or is at least read, without it."""
    credential = case.credential
    if credential is None:
        return ""
    for what, text in _unwrapped(credential.token):
        outcome = case.tried(credential=_with_token(credential, text))
        if not isinstance(outcome, Refused):
            return f"The token ({credential.found_in}) {what}. Without that, its signature is valid: send it alone."
        if jws_in(text) is not None and outcome.reason is not Reason.MALFORMED_TOKEN:
            return f"The token ({credential.found_in}) {what}. Without that, it is refused as {outcome.reason}."
    return ""


def in_another_place(case: Case) -> str:
    """Say that a header or a cookie, in which AuthGate does not look, holds a token that an issuer accepts."""
    for place, change, text in islice(_elsewhere(case), _MAX_TRIED):
        outcome = case.tried(credential=token_in(text, place))
        if isinstance(outcome, Proven):
            return f"The {escaped(place.replace(':', ' '))} holds a token of issuer {outcome.identity.issuer}{change}."
    return ""


def _unwrapped(text: str) -> Iterator[tuple[str, str]]:
    """Yield what may be around a token in *text*, and the token without it."""
    bare = text.strip()
    if (inner := _bare(bare)) != bare:
        yield "is in quotes", inner
    if match := _SCHEME.fullmatch(inner):
        yield f"begins with `{match[1]}`, which is not a part of it", _bare(match[2])
    if "%" in inner and (match := re.match(r"(?i)bearer(?:%20|\+)", inner)):
        yield "begins with an encoded `Bearer `, which is not a part of it", inner[match.end() :]
    if (joined := "".join(inner.split())) != inner:
        yield "has white space in it", joined


def _bare(text: str) -> str:
    """Return *text* without the quotes around it, also those that are encoded or escaped."""
    text = text.strip()
    for quote in ('\\"', "%22", '"', "'", "`"):
        if len(text) > 2 * len(quote) and text.startswith(quote) and text.endswith(quote):
            return text[len(quote) : -len(quote)].strip()
    return text


def _with_token(credential: Credential, text: str) -> Credential:
    return replace(credential, parts=(("token", UnverifiedToken(text)),))


def _header(token: str) -> bytes:
    """Return the header of *token* as JSON text; nothing if it is not base64url."""
    encoded = token.partition(".")[0].encode("utf-8", "replace")
    try:
        return base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
    except ValueError:
        return b""


def _elsewhere(case: Case) -> Iterator[tuple[str, str, str]]:
    """Yield each text that may be a token: where it is, what to change, and the text."""
    headers = case.request.headers
    for name in dict.fromkeys(headers):
        change = _CHANGES.get(name.lower(), f": add {{header: {escaped(name)}}} to `credentials`")
        for value in headers.getall(name.lower(), ()) if name.lower() != "cookie" else ():
            yield from _tokens(value, f"header:{name.lower()}", change)
    for line in headers.getall("cookie", ()):
        for name, value in _COOKIE.findall(line):
            yield from _tokens(value, f"cookie:{name}", f": add {{cookie: {name}}} to `credentials`")
    for name, value in parse_qsl(case.request.query or ""):
        yield from _tokens(value, f"query:{name}", _CHANGES["query"])


def _tokens(text: str, place: str, change: str) -> Iterator[tuple[str, str, str]]:
    for part in _BETWEEN.split(text):
        if len(part) >= _MIN_TOKEN_CHARACTERS and part.count(".") == 2:
            yield place, change, part
