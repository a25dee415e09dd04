"""The cases of `authgate test`, as they are written in the file."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import fields
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StrictBool, create_model

from authgate.config._outbound import redacted
from authgate.config._report import did_you_mean
from authgate.config._types import NonEmpty, Settings, Token, not_a_boolean, one_or_more
from authgate.core.identity import FIELDS, Identity
from authgate.core.reasons import Reason

_WORDS_IN_SHORT_FORM = 2


def _address(text: object) -> object:
    try:
        return ipaddress.ip_address(str(text))
    except ValueError:
        raise ValueError(f"{redacted(str(text))} is not an address: write 10.1.2.3 or an IPv6 address") from None


def _short_request(value: object) -> object:
    if not isinstance(value, str):
        return value
    words = value.split()
    if len(words) != _WORDS_IN_SHORT_FORM:
        raise ValueError("is not a method and a URL: write GET /healthz, or a mapping of method, url, headers")
    return {"method": words[0], "url": words[1]}


def _short_expectation(value: object) -> object:
    return {"outcome": value} if isinstance(value, str) else value


def _reason(text: str) -> Reason:
    if text not in {*Reason}:
        raise ValueError(f"{redacted(text)} is not a reason: {did_you_mean(text, [reason.value for reason in Reason])}")
    return Reason(text)


def _field(name: str) -> str:
    if name not in FIELDS:
        raise ValueError(f"{redacted(name)} is not a field of the identity: {did_you_mean(name, FIELDS)}")
    return name


def _json(value: object) -> object:
    """Return *value* if a token can hold it. YAML also has dates and sets, and keys that are not text."""
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: _json(element) for key, element in value.items()}
    elif isinstance(value, list):
        return [_json(element) for element in value]
    elif value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError("holds something that no token can hold, such as a date: put it in quotes")


class RequestCase(Settings):
    """The request, as the client sends it: a mapping, or a method and a URL in one line."""

    method: NonEmpty = "GET"
    """The method in upper case. Default: GET."""
    url: NonEmpty
    """The URL: https://host/path, or a path alone for the host localhost."""
    client_ip: Annotated[IPv4Address | IPv6Address, BeforeValidator(_address)] | None = None
    """The client's address, for policies that depend on it."""
    headers: dict[Token, Annotated[list[SecretStr], one_or_more(str)]] = Field(default={})
    """Headers that the client sends, each with its value or a list of values."""


class Expectation(Settings):
    """What is expected of the decision: allow, deny, or a mapping."""

    outcome: Literal["allow", "deny"]
    """allow or deny."""
    reason: Annotated[str, AfterValidator(_reason)] | None = None
    """The reason of the refusal, as in docs/reasons.md."""
    answer: Literal["redirect", "page", "loop page", "problem"] | None = None
    """How the refusal reaches the client: as a redirect, a page, the page at the end of a loop, or problem details."""
    policy: NonEmpty | None = None
    """The name of the policy that decides."""
    headers: dict[NonEmpty, str] = Field(default={})
    """Headers that the service gets, each with its exact value. Others may come with them."""


_Number: TypeAlias = Annotated[float, BeforeValidator(not_a_boolean), Field(allow_inf_nan=False)]
# The types of the identity's fields, by their annotation.
_TYPES: dict[str, Any] = {
    "str": NonEmpty | None,
    "str | None": str | None,
    "bool": StrictBool,
    "bool | None": StrictBool | None,
    "tuple[str, ...]": Annotated[list[NonEmpty], one_or_more(str)],
    "float | None": _Number | None,
}
_FIELDS: dict[str, Any] = {
    field.name: (_TYPES[str(field.type)], Field(default=None, description="A field of the identity."))
    for field in fields(Identity)
    if str(field.type) in _TYPES
}
IdentityCase: Any = create_model(
    "IdentityCase",
    __base__=Settings,
    __doc__="The signed-in user, field by field. `authgate test` takes them for proven.",
    **{
        **_FIELDS,
        "subject": (NonEmpty, Field(description="The user's id, as text.")),
        "claims": (
            dict[str, Annotated[Any, BeforeValidator(_json)]],
            Field(default={}, description="The claims of the token, for rules and headers that name `claims.<path>`."),
        ),
        "unknown": (
            Annotated[list[Annotated[str, AfterValidator(_field)]], one_or_more(str)],
            Field(default=[], description="Fields about which the credential says nothing that can be read."),
        ),
    },
)


class Case(Settings):
    """One request, who sends it, and what is expected."""

    name: NonEmpty | None = None
    """A name for people. Default: the method and the URL."""
    request: Annotated[RequestCase, BeforeValidator(_short_request)]
    """The request: GET /healthz, or a mapping of method, url, client_ip and headers."""
    identity: IdentityCase | None = None
    """Who is signed in, field by field. Without it and without a token, nobody is."""
    token: SecretStr | None = None
    """A token, which the real keys verify."""
    token_file: NonEmpty | None = None
    """A file with a token, which the real keys verify. A relative path begins at the folder of the file of cases."""
    at: _Number | None = None
    """The time of the request in Unix seconds. Default: now."""
    expect: Annotated[Expectation, BeforeValidator(_short_expectation)]
    """allow, deny, or a mapping of outcome, reason, answer, policy and headers."""
