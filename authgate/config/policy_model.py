"""The settings of policies, and the types that they share with the settings of the same name at the top."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from authgate.config._outbound import redacted
from authgate.config._report import did_you_mean
from authgate.config._types import (
    FEW,
    MANY,
    SEVERAL,
    NonEmpty,
    Settings,
    Token,
    at_most,
    claim_path,
    not_null,
    one_or_more,
    token,
    with_mistake,
)
from authgate.config.networks import Network
from authgate.config.refusal_model import CorsConfig, LoginUrl, Origin
from authgate.config.rule_model import RuleConfig
from authgate.core.claim_paths import CLAIMS
from authgate.core.errors import Unreadable
from authgate.core.header_names import OVERRIDES
from authgate.core.identity import FIELDS
from authgate.core.paths import parse_pattern
from authgate.core.request import split_authority

# Headers that the reply needs for itself, and headers that have a meaning for the proxy or for the upstream's server.
_TAKEN_HEADERS = {
    *("Authorization", "Cookie", "Host", "Location", "Set-Cookie", "Www-Authenticate"),
    *("Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade"),
    *("Cache-Control", "Content-Length", "Content-Type", "Date", "Retry-After", "Server"),
    *("Content-Encoding", "Expect", "Forwarded", "Origin", "Range", "Traceparent", "X-Request-Id"),
    *(name.title() for name in OVERRIDES),
}
_TAKEN_PREFIXES = ("X-Authgate-", "X-Forwarded-", "X-Original-", "X-Accel-", "Proxy-", "Sec-")
_CANONICAL_HEADER = re.compile(r"[A-Z][a-z0-9]*(?:-[A-Z0-9][a-z0-9]*)*")


def _header_name(name: str) -> str:
    if not _CANONICAL_HEADER.fullmatch(name):
        # A proxy that compares names by case would not replace the client's own header (H6).
        raise ValueError(
            f"{redacted(name)} is not a canonical header name: write it like X-User-Id, with letters, digits and "
            "hyphens"
        )
    if name in _TAKEN_HEADERS or name.startswith(_TAKEN_PREFIXES):
        raise ValueError(f"{name} has a meaning of its own and cannot carry an identity: choose an X- name")
    return name


def _source(source: str) -> str:
    if source.startswith(CLAIMS):
        return claim_path(source, CLAIMS)
    if source not in FIELDS:
        raise ValueError(
            f"{redacted(source)} is neither claims.<path> nor a field of the identity: {did_you_mean(source, FIELDS)}"
        )
    return source


def _credential_header(name: str) -> str:
    canonical = "-".join(word.capitalize() for word in token(name).split("-"))
    if canonical != "Authorization" and (canonical in _TAKEN_HEADERS or canonical.startswith(_TAKEN_PREFIXES)):
        raise ValueError(
            f"{name} has a meaning of its own and cannot carry a token; for cookies write {{cookie: name}}"
        )
    return name


HeaderName: TypeAlias = Annotated[str, AfterValidator(_header_name)]
Source: TypeAlias = Annotated[str, AfterValidator(_source)]


class CredentialConfig(Settings):
    """One place where a credential may be: a header, a cookie, or the session cookies of an issuer."""

    header: Annotated[str, AfterValidator(_credential_header)] | None = None
    """The name of a request header. In Authorization the token follows `Bearer `; in other headers that word is
    optional."""
    cookie: Token | None = None
    """The exact name of a cookie that holds a token."""
    session: NonEmpty | None = None
    """The name of an issuer whose session cookies are read here."""

    @model_validator(mode="wrap")
    @classmethod
    def _one_of_three(cls, values: object, handler: ModelWrapValidatorHandler[CredentialConfig]) -> CredentialConfig:
        message, names = "needs exactly one of header, cookie and session", ("header", "cookie", "session")
        try:
            place = handler(values)
        except ValidationError as error:
            given = sum(values.get(name) is not None for name in names) if isinstance(values, dict) else 0
            raise with_mistake(error, message, values) if given > 1 else error from None
        if sum(getattr(place, name) is not None for name in names) != 1:
            raise ValueError(message)
        return place


class CsrfConfig(Settings):
    """Protection against requests that other sites make browsers send, with the user's cookies."""

    mode: Literal["enforce", "off"] = "enforce"
    """enforce: an unsafe method or a WebSocket handshake with a credential from a cookie, or from a header that a proxy
    in front fills from its cookie (Cf-Access-Jwt-Assertion …), must come from its own origin or from one of
    allowed_origins. off: every origin may send such requests."""
    allowed_origins: Annotated[list[Origin], Field(max_length=SEVERAL)] = []
    """Other origins that may send such requests, for example https://app.example.com."""


_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"


def _name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"{redacted(name)} is not a valid name: use lower-case letters, digits, - and _")
    return name


class PathsConfig(Settings):
    """Characters that servers read in different ways. They matter once a policy matches by path."""

    encoded_slash: Literal["refuse", "data"] = "refuse"
    """`%2F` in a path. refuse: such a request is refused (`ambiguous_path`). data: the slash is part of its segment,
    and the path with the slash decoded must meet the same policy."""
    semicolon: Literal["refuse", "data"] = "refuse"
    """`;` or `%3B` in a path. refuse: such a request is refused. data: it is part of its segment, and the path without
    the parameters (`;x=1`) must meet the same policy."""


def _host(host: str) -> str:
    if host == "*":
        raise ValueError("'*' is not a host to match: leave `host` out to match every host")
    name = host.removeprefix("*.")
    try:
        exact, port = split_authority(name)
    except Unreadable:
        exact, port = "", None
    if not exact or port is not None or (name != host and "." not in name):
        raise ValueError(
            f"{redacted(host)} is not a host to match: write app.example.com, or *.example.com for every name below it"
        )
    return f"*.{exact}" if name != host else exact


def _pattern(text: str) -> str:
    parse_pattern(text)
    return text


def _method(name: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_-]{0,31}", name):
        fix = f": write {name.upper()}" if name.isascii() and name.isalpha() else ""
        raise ValueError(f"{redacted(name)} is not the name of a method, in upper case{fix}")
    return name


# Bounds on a dimension of a match. The policies are compared with each other when they are loaded.
_UP_TO_32, _UP_TO_256 = Field(min_length=1, max_length=32), Field(min_length=1, max_length=SEVERAL)


class MatchConfig(Settings):
    """The requests that a policy is about. Each setting takes one value or a list; left out, it matches all."""

    example: ClassVar[str] = "{path: /admin/**}"

    host: Annotated[list[Annotated[str, AfterValidator(_host)]], one_or_more(str), _UP_TO_256] = []
    """Host names: app.example.com exactly, or *.example.com for one or more labels before it. Ports do not count."""
    path: Annotated[list[Annotated[str, AfterValidator(_pattern)]], one_or_more(str), _UP_TO_256] = []
    """Path patterns of literal segments, `*` (any one segment), `{subject}` (the segment must equal this field of the
    user) and `**` (any rest, also none; at the end only)."""
    methods: Annotated[list[Annotated[str, AfterValidator(_method)]], one_or_more(str), _UP_TO_32] = []
    """Methods in upper case. GET includes HEAD."""
    client: Annotated[list[Network], one_or_more(str), _UP_TO_256] = []
    """Addresses and subnets of clients."""

    @model_validator(mode="after")
    def _is_not_empty(self) -> MatchConfig:
        if not self.model_fields_set:
            raise ValueError("is empty: leave it out to match every request")
        return self


# What `require: signed_in` becomes: no rule.
SIGNED_IN = RuleConfig.model_construct(_fields_set=set())


def _require(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    if value == "signed_in":
        return SIGNED_IN
    if isinstance(value, str):
        message = f"{redacted(value)} is neither signed_in nor a mapping of rules: {did_you_mean(value, _RULES)}"
        fix = f"write signed_in, or a mapping of rules, for example {RuleConfig.example}"
        raise ValueError(f"{message}\n{fix}")  # noqa: TRY004 - pydantic wants ValueError
    return handler(value)


_RULES = ("signed_in", *RuleConfig.model_fields)


def _is_true(value: object) -> object:
    if value is not True:
        raise ValueError("takes true only: leave it out, and write `require` instead")
    return value


class PolicyConfig(Settings):
    """One policy: the requests that it is about, and what they must satisfy. See docs/policies.md.

    It has exactly one of public, optional and require.
    """

    name: Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": f"^{_NAME}$"})]
    """A name of your choice for logs and metrics: 1 to 64 lower-case letters, digits, - and _, beginning with a letter
    or digit."""
    match: MatchConfig = MatchConfig.model_construct()
    """The requests that the policy is about. Each of its settings takes one value or a list. Default: every request."""
    public: Annotated[Literal[True] | None, BeforeValidator(_is_true)] = None
    """true: every request passes, and none is asked for a credential. Identity headers are empty."""
    optional: Annotated[Literal[True] | None, BeforeValidator(_is_true)] = None
    """true: a request with a good credential passes with its identity. A request without one passes too, with empty
    identity headers; so does one whose credential has expired or whose session has ended."""
    require: Annotated[
        RuleConfig | None,
        WrapValidator(_require, json_schema_input_type=Literal["signed_in"] | RuleConfig),
    ] = None
    """signed_in, or a mapping of rules that must all be true."""
    headers: Annotated[dict[HeaderName, Source], at_most(FEW)] = {}
    """Headers that this policy adds, each with its source. Under every other policy they are empty. X-User-Id is
    allowed here only if every policy that reads a credential gives it a source."""
    issuers: Annotated[list[NonEmpty], Field(min_length=1, max_length=MANY)] | None = None
    """The names of the issuers whose users pass. Default: every issuer."""
    login_url: LoginUrl | None = None
    """Replaces the global `login_url` here. null: browsers are not redirected here."""
    csrf: CsrfConfig | None = None
    """Replaces the global `csrf` here."""
    cors: CorsConfig | None = None
    """Replaces the global `cors` here."""
    credentials: Annotated[list[CredentialConfig], Field(min_length=1, max_length=FEW)] | None = None
    """Replaces the global list here: AuthGate looks into these places and no others."""

    _not_null = field_validator("require", "issuers", "csrf", "cors", "credentials", mode="before")(not_null)

    @model_validator(mode="after")
    def _one_access(self) -> PolicyConfig:
        given = [name for name in ("public", "optional", "require") if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"it has {' and '.join(given)}" if given else "it has none"
            fix = "remove all but one" if given else "write require: signed_in for users, or public: true for everybody"
            raise ValueError(f"needs exactly one of public: true, optional: true and require: {found}\n{fix}")
        return self
