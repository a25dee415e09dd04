"""What a token is for, by what it says about itself (RFC 8725 §3.11, §3.12), and whether an issuer accepts that.

The same keys may sign access tokens, ID tokens, refresh tokens and more (J28). A token says what it is for in its
header `typ` and in its claims. Many say nothing. `accept` is the issuer's setting.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from authgate.core.claim_paths import find
from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.core.snapshot import Accept
from authgate.core.values import is_absent, type_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from authgate.core.claim_paths import ClaimPath


class Purpose(Enum):
    """What a token can say that it is. The value is the name in messages."""

    ACCESS = "an access token"
    PERHAPS_ACCESS = "an access token, in a form that cannot be read"
    ID = "an ID token"
    REFRESH = "a refresh token"
    EVENT = "a logout token or another security event"
    PROOF = "a proof of possession or a client's own assertion"
    RECORD = "a response or a record of another protocol"
    UNREADABLE = "what cannot be read"


_ACCEPTED: dict[Accept, frozenset[Purpose]] = {
    Accept.ACCESS_TOKEN: frozenset({Purpose.ACCESS, Purpose.PERHAPS_ACCESS}),
    Accept.ID_TOKEN: frozenset({Purpose.ID}),
    Accept.ANY: frozenset({Purpose.ACCESS, Purpose.PERHAPS_ACCESS, Purpose.ID}),
}
_NAMES = {
    Accept.ACCESS_TOKEN: "access tokens",
    Accept.ID_TOKEN: "ID tokens",
    Accept.ANY: "access tokens and ID tokens",
}


_BETWEEN = re.compile(r"[\s_-]+")


def _folded(word: str) -> str:
    """Return *word* without case, white space, hyphens, underscores and "application/": ID-Token is id_token."""
    return _BETWEEN.sub("", word.lower()).removeprefix("application/")


def _by_purpose(rows: dict[Purpose, tuple[str, ...]]) -> dict[str, Purpose]:
    return {_folded(word): purpose for purpose, words in rows.items() for word in words}


# What means the same wherever a token says it: types of media, and names of tokens. Every other value says nothing
# here. Whether the issuer accepts it in the header is its `token_types`.
_EVERYWHERE = _by_purpose({
    Purpose.ACCESS: ("at+jwt", "access_token", "urn:ietf:params:oauth:token-type:access_token"),  # RFC 9068, RFC 8693
    Purpose.ID: ("id_token", "urn:ietf:params:oauth:token-type:id_token"),
    Purpose.REFRESH: (
        *("refresh", "refresh+jwt", "rt+jwt", "refresh_token", "urn:ietf:params:oauth:token-type:refresh_token"),
    ),
    # OpenID Connect Back-Channel Logout, RFC 8417 §2.3
    Purpose.EVENT: ("logout+jwt", "logout_token", "secevent+jwt"),
    Purpose.PROOF: (
        *("dpop+jwt", "kb+jwt", "key-attestation+jwt", "openid4vci-proof+jwt"),  # RFC 9449, RFC 9901, OpenID4VCI
        *("client-authentication+jwt", "authorization-grant+jwt", "oauth-authz-req+jwt"),  # RFC 7523bis, RFC 9101
        *("oauth-client-attestation+jwt", "oauth-client-attestation-pop+jwt"),
    ),
    Purpose.RECORD: (
        *("token-introspection+jwt", "statuslist+jwt", "jwk-set+jwt"),  # RFC 9701 §5, Token Status List, Federation
        *("entity-statement+jwt", "trust-mark+jwt", "resolve-response+jwt"),
    ),
})  # fmt: skip
# The short values of claims. Other libraries use `token_type` and `type` for other things.
_SHORT: dict[str, dict[str, Purpose]] = {
    "typ": _by_purpose({  # Keycloak
        Purpose.ACCESS: ("Bearer",), Purpose.ID: ("ID",), Purpose.REFRESH: ("Offline",), Purpose.EVENT: ("Logout",),
    }),
    "token_use": _by_purpose({Purpose.ACCESS: ("access",), Purpose.ID: ("id",)}),  # Cognito
    "token_type": {},  # simplejwt
    "type": {},  # flask-jwt-extended
}  # fmt: skip
# These claims say nothing else, so a value that is not text could mean anything.
_ONLY_TEXT = ("typ", "token_use")
# The claims that say it by being there, whatever their value (OpenID Connect Core §3.3.2.11, RFC 8417 §2.2).
_CLAIMS = {"at_hash": Purpose.ID, "c_hash": Purpose.ID, "events": Purpose.EVENT}
# The claims that only access tokens have (RFC 9068 §2.2.3), unless they hold no word.
_SCOPES = ("scope", "scp")
# Every claim that can say something.
_SPEAKING = frozenset({*_SHORT, *_CLAIMS, *_SCOPES, "nonce"})


def check(
    token_type: str | None, payload: dict[str, Any], accept: Accept, access_marks: Collection[ClaimPath] = ()
) -> None:
    """Refuse a token that says it is for something that *accept* does not include.

    *token_type* is the header's `typ`. Only access tokens of the issuer have the claims *access_marks*. A token that
    says nothing is accepted.
    """
    is_marked = bool(access_marks) and any(not is_absent(find(payload, path)) for path in access_marks)
    says = unaccepted(token_type, payload, accept, is_marked=is_marked)
    if not says:
        return
    raise Refused(Reason.WRONG_TYPE, f"its {says}, and its issuer is configured for {_NAMES[accept]}")


def unaccepted(token_type: str | None, payload: dict[str, Any], accept: Accept, *, is_marked: bool = False) -> str:
    """Return what a token says that it is, and where, if *accept* does not include that; else "".

    *is_marked*: a claim that only access tokens of its issuer have says that it is one. Refuse what cannot be read.
    """
    said_by_type = None if token_type is None else _said_by_type(token_type)
    if not is_marked and said_by_type is None and _SPEAKING.isdisjoint(payload):
        return ""  # most tokens say nothing
    for place, purpose in _statements(said_by_type, payload, is_marked=is_marked):
        if purpose is Purpose.UNREADABLE:
            value = payload[place.split("'")[1]]
            message = f"its {place} is {type_name(value)}, not text, so it does not say what the token is for"
            raise Refused(Reason.MALFORMED_TOKEN, message)
        if purpose not in _ACCEPTED[accept]:
            return f"{place} says that it is {purpose.value}"
    return ""


def states_another_purpose(token_type: str, accept: Accept) -> str | None:
    """Return what a token with the header `typ` *token_type* is, if *accept* does not include that; else None."""
    purpose = _said_by_type(token_type)
    return None if purpose is None or purpose in _ACCEPTED[accept] else purpose.value


def normalized(token_type: str) -> str:
    """Return a header's `typ` in lower case and without "application/", which is optional (RFC 7515 §4.1.9)."""
    return token_type.lower().removeprefix("application/")


@lru_cache(maxsize=64)
def _said_by_type(token_type: str) -> Purpose | None:
    """Return what the header's `typ` says. The tokens of an issuer have few of them."""
    return _EVERYWHERE.get(_folded(token_type))


def _statements(said_by_type: Purpose | None, payload: dict[str, Any], *, is_marked: bool) -> list[tuple[str, Purpose]]:
    """Return everything that a token says about its purpose, each with its place."""
    said = [("claims", Purpose.ACCESS)] if is_marked else []
    if said_by_type is not None:
        said.append(("header's 'typ'", said_by_type))
    for name, purpose in _CLAIMS.items():
        if name in payload:
            said.append((f"claim {name!r}", purpose))
    for name, short in _SHORT.items():
        if name in payload:
            said += [(f"claim {name!r}", purpose) for purpose in _said_by_words(name, payload[name], short)]
    for name in _SCOPES:
        if name in payload and (by_scopes := _said_by_scopes(payload[name])):
            said.append((f"claim {name!r}", by_scopes))
    # Keycloak copies the nonce into access tokens, too.
    if "nonce" in payload and all(purpose is not Purpose.ACCESS for _, purpose in said):
        said.append(("claim 'nonce'", Purpose.ID))
    return said


def _said_by_words(name: str, value: object, short: dict[str, Purpose]) -> list[Purpose]:
    """Return what the texts in the claim *name* say. *short* are the words that only this claim has."""
    if name in _ONLY_TEXT and not isinstance(value, (str, type(None))):
        return [Purpose.UNREADABLE]
    words = [_folded(text) for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
    return [purpose for word in words if (purpose := short.get(word) or _EVERYWHERE.get(word))]


def _said_by_scopes(scopes: object) -> Purpose | None:
    """Return what the claim *scopes* says: scopes are for access. Without one word it says nothing."""
    members = [*scopes] if isinstance(scopes, (list, dict)) else [scopes]
    if any(isinstance(member, str) and member.strip() for member in members):
        return Purpose.ACCESS
    are_empty = all(is_absent(member) or isinstance(member, str) for member in members)
    return None if are_empty else Purpose.PERHAPS_ACCESS
