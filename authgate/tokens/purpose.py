"""What a token is for, by what it says about itself (RFC 8725 §3.11, §3.12), and whether an issuer accepts that.

The same keys may sign access tokens, ID tokens, refresh tokens and more (J28). A token says what it is for in its
header `typ` and in its claims. Many say nothing. `accept` is the issuer's setting.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from authgate.core.errors import Refused
from authgate.core.reasons import Reason
from authgate.core.snapshot import Accept
from authgate.core.strict_json import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class Purpose(Enum):
    """What a token can say that it is. The value is the name in messages."""

    ACCESS = "an access token"
    PERHAPS_ACCESS = "an access token, in a form that cannot be read"
    ID = "an ID token"
    REFRESH = "a refresh token"
    EVENT = "a logout token or another security event"
    PROOF = "a proof of possession or a client's own assertion"
    RECORD = "a response or a record of another protocol"


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

# The values of the header `typ`, in lower case and without "application/". Every other value says nothing here: whether
# it is accepted is the issuer's `token_types`.
_HEADER_TYPES = {
    "at+jwt": Purpose.ACCESS,  # RFC 9068 §2.1
    **dict.fromkeys(("refresh", "refresh+jwt", "rt+jwt"), Purpose.REFRESH),
    **dict.fromkeys(("logout+jwt", "secevent+jwt"), Purpose.EVENT),  # OpenID Connect Back-Channel Logout, RFC 8417 §2.3
    **dict.fromkeys(
        (
            *(
                "dpop+jwt",
                "kb+jwt",
                "key-attestation+jwt",
                "openid4vci-proof+jwt",
            ),  # RFC 9449, RFC 9901, OpenID4VCI
            *("client-authentication+jwt", "authorization-grant+jwt", "oauth-authz-req+jwt"),  # RFC 7523bis, RFC 9101
            *("oauth-client-attestation+jwt", "oauth-client-attestation-pop+jwt"),
        ),
        Purpose.PROOF,
    ),
    **dict.fromkeys(
        (
            *("token-introspection+jwt", "statuslist+jwt", "jwk-set+jwt"),  # RFC 9701 §5, Token Status List, Federation
            *("entity-statement+jwt", "trust-mark+jwt", "resolve-response+jwt"),
        ),
        Purpose.RECORD,
    ),
}

# The values of claims, in lower case: RFC 6749 §5.1 compares types of tokens so.
_CLAIM_VALUES = {
    "typ": {  # Keycloak
        "bearer": Purpose.ACCESS,
        "id": Purpose.ID,
        "refresh": Purpose.REFRESH,
        "offline": Purpose.REFRESH,
        "logout": Purpose.EVENT,
    },
    "token_use": {"access": Purpose.ACCESS, "id": Purpose.ID, "refresh": Purpose.REFRESH},  # Cognito
    # simplejwt and flask-jwt-extended. Other libraries use these names for other things.
    "token_type": {"refresh": Purpose.REFRESH},
    "type": {"refresh": Purpose.REFRESH},
}
# These claims say nothing else, so a value that is not text could mean anything.
_ONLY_TEXT = ("typ", "token_use")
# The claims that say it by being there, whatever their value (OpenID Connect Core §3.3.2.11, RFC 8417 §2.2).
_CLAIMS = {"at_hash": Purpose.ID, "c_hash": Purpose.ID, "events": Purpose.EVENT}
# The claims that only access tokens have (RFC 9068 §2.2.3), unless they are empty.
_SCOPES = ("scope", "scp")


class _Statement(NamedTuple):
    """Where a token says what it is for."""

    place: str
    purpose: Purpose


def check(token_type: str | None, payload: dict[str, Any], accept: Accept) -> None:
    """Refuse a token that says it is for something that *accept* does not include.

    *token_type* is the header's `typ`. A token that says nothing is accepted.
    """
    stated = [*_statements(token_type, payload)]
    unaccepted = next((statement for statement in stated if statement.purpose not in _ACCEPTED[accept]), None)
    if unaccepted is None:
        return
    others = [other for other in Accept if all(statement.purpose in _ACCEPTED[other] for statement in stated)]
    would_accept = " or ".join(f"`accept: {other}`" for other in others) or "no value of `accept`"
    raise Refused(
        Reason.WRONG_TYPE,
        f"its {unaccepted.place} says that it is {unaccepted.purpose.value}, and its issuer is configured for "
        f"{_NAMES[accept]}; {would_accept} accepts such a token",
    )


def states_another_purpose(token_type: str, accept: Accept) -> str | None:
    """Return what a token with the header `typ` *token_type* is, if *accept* does not include that; else None."""
    purpose = _HEADER_TYPES.get(normalized(token_type))
    return None if purpose is None or purpose in _ACCEPTED[accept] else purpose.value


def normalized(token_type: str) -> str:
    """Return a header's `typ` in lower case and without "application/", which is optional (RFC 7515 §4.1.9)."""
    return token_type.lower().removeprefix("application/")


def _statements(token_type: str | None, payload: dict[str, Any]) -> Iterator[_Statement]:
    """Yield everything that a token says about its purpose. Refuse what cannot be read."""
    says_access = False
    for statement in _plain_statements(token_type, payload):
        says_access = says_access or statement.purpose is Purpose.ACCESS
        yield statement
    if "nonce" in payload and not says_access:  # Keycloak copies the nonce into access tokens, too
        yield _Statement("claim 'nonce'", Purpose.ID)


def _plain_statements(token_type: str | None, payload: dict[str, Any]) -> Iterator[_Statement]:
    if token_type is not None and (purpose := _HEADER_TYPES.get(normalized(token_type))):
        yield _Statement("header's 'typ'", purpose)
    for name, purpose in _CLAIMS.items():
        if name in payload:
            yield _Statement(f"claim {name!r}", purpose)
    for name, purposes in _CLAIM_VALUES.items():
        if purpose := purposes.get(_text(payload, name)):
            yield _Statement(f"claim {name!r}", purpose)
    for name in _SCOPES:
        scopes = payload.get(name)
        if scopes not in (None, "", [], {}):
            can_be_read = isinstance(scopes, (str, list, dict))
            yield _Statement(f"claim {name!r}", Purpose.ACCESS if can_be_read else Purpose.PERHAPS_ACCESS)


def _text(payload: dict[str, Any], name: str) -> str:
    """Return the claim *name* in lower case; "" if it says nothing. Refuse one that could mean anything."""
    value = payload.get(name)
    if name in _ONLY_TEXT and not isinstance(value, (str, type(None))):
        message = f"its claim {name!r} is {kind_of(value)}, not text, so it does not say what the token is for"
        raise Refused(Reason.MALFORMED_TOKEN, message)
    return value.lower() if isinstance(value, str) else ""
