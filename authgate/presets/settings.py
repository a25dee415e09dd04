"""The settings that issuers of several presets have. Each preset makes its own model of these groups, in its own file.

docs/configuration.md and the JSON schema are generated from the models: write the descriptions for operators.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator

from authgate.config._outbound import redacted
from authgate.config._types import FEW, MANY, NonEmpty, Seconds, Settings, Token, not_null, proxy
from authgate.config.identity_model import IdentitySetting
from authgate.core.demands import NO_TRAITS, Traits
from authgate.presets.guidance import Guidance
from authgate.stores import SessionsConfig
from authgate.tokens.algorithms import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authgate.core.demands import Demand
    from authgate.core.errors import Problem

# The settings that hold an issuer's shared secret. An issuer has one of them; `secrets…` hold several secrets, the
# current one first.
SECRETS_SETTINGS = ("secrets", "secrets_file", "secrets_env")
SECRET_SETTINGS = ("secret", "secret_file", "secret_env", *SECRETS_SETTINGS)
URL_SETTINGS = ("jwks_url", "discovery")
PUBLIC_KEY_SETTINGS = ("pem_file", "jwks_file", *URL_SETTINGS)
# The sources of keys for JWTs.
KEY_SETTINGS = (*SECRET_SETTINGS, *PUBLIC_KEY_SETTINGS)
# These have an effect only where keys are fetched by URL.
FETCH_SETTINGS = ("allow_http", "refresh_seconds", "max_stale_seconds", "ca_file", "outbound_proxy", "jwks_token_file")
# Two of them also have an effect where AuthGate asks the front end for sessions over HTTP.
GET_SESSION_SETTINGS = ("allow_http", "ca_file")

SECURE_PREFIX = "__Secure-"

Audiences: TypeAlias = Literal["any"] | Annotated[list[NonEmpty], Field(min_length=1, max_length=MANY)]
# The URL of a front end, or the URLs of all its hosts.
Urls: TypeAlias = NonEmpty | Annotated[list[NonEmpty], Field(min_length=1, max_length=32)]
Algorithms: TypeAlias = Annotated[list[Literal[NAMES]], Field(min_length=1, max_length=FEW)]  # type: ignore[valid-type]

_NAME = r"[a-z0-9][a-z0-9_-]{0,31}"
_SUBJECT_PREFIX = r"[!-$&-~]{0,64}"  # a header value has these characters as they are


def _name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"{redacted(name)} is not a valid name")
    return name


def _subject_prefix(prefix: str | None) -> str | None:
    if prefix is not None and not re.fullmatch(_SUBJECT_PREFIX, prefix):
        raise ValueError(
            f"{redacted(prefix)} cannot be a prefix: write up to 64 printable ASCII characters without spaces and %"
        )
    return prefix


class IssuerSettings(Settings):
    """What every issuer has: a name, a preset, and usually a secret."""

    # Whether the issuer makes session cookies, whose keys are derived from its secret.
    has_sessions: ClassVar[bool] = False
    # The settings about sessions of an issuer that may leave out the secret, and then accepts JWTs alone.
    only_with_secret: ClassVar[frozenset[str]] = frozenset()

    name: Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": f"^{_NAME}$"})]
    """A name of your choice for logs and metrics: 1 to 32 lower-case letters, digits, - and _, beginning with a letter
    or digit."""
    preset: str
    """What the issuer makes."""
    subject_prefix: Annotated[str | None, AfterValidator(_subject_prefix)] = Field(
        default=None, json_schema_extra={"pattern": f"^{_SUBJECT_PREFIX}$"}
    )
    """What comes before the ids of this issuer's users, for example partner:. In a file with several issuers, each but
    the first must state it, because the same id at two issuers is two people. "" means no prefix: the ids name the same
    people as those of the other issuers without a prefix. See docs/two-applications.md."""
    secret: SecretStr | None = None
    """The shared secret itself. Prefer secret_file or secret_env."""
    secret_file: NonEmpty | None = None
    """A file that holds the shared secret. One newline at its end is ignored."""
    secret_env: NonEmpty | None = None
    """The environment variable that holds the shared secret."""

    def given(self, name: str) -> object:
        """Return the value of the setting *name*; None if it is not set, or the preset has none of this name."""
        value: object = getattr(self, name, None)
        return value

    @classmethod
    def takes(cls, name: str) -> bool:
        """Whether issuers of this preset have the setting *name*."""
        return name in cls.model_fields

    @classmethod
    def own_settings(cls) -> frozenset[str]:
        """Return the settings that everything about the issuer follows from, `iss` among it; none if nothing does."""
        return frozenset()

    @classmethod
    def stand_ins(cls) -> dict[str, object]:
        """Return sound values of settings of its own that an issuer must have."""
        return {}

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs of the front end, each once. Empty if it is not set."""
        return ()

    @property
    def secret_settings(self) -> tuple[str, ...]:
        """The settings of SECRET_SETTINGS that are set. A valid issuer with sessions has exactly one."""
        return tuple(name for name in SECRET_SETTINGS if self.given(name) is not None)

    @property
    def key_settings(self) -> tuple[str, ...]:
        """The sources of the keys for JWTs. A valid issuer without sessions has exactly one, else at most one."""
        sources = tuple(name for name in PUBLIC_KEY_SETTINGS if self.given(name) not in {None, False})
        return sources if self.has_sessions else self.secret_settings + sources

    @property
    def fetches_keys(self) -> bool:
        """Whether the keys for JWTs are fetched by URL."""
        return any(name in URL_SETTINGS for name in self.key_settings)

    @property
    def asks_over_http(self) -> bool:
        """Whether sessions are looked up over HTTP. Right only after `with_defaults`."""
        return False

    @property
    def takes_session_tokens(self) -> bool:
        """Whether session tokens in Authorization are accepted. They name no issuer."""
        return False

    @property
    def unused_settings(self) -> frozenset[str]:
        """The settings that have no effect, set or not: there is no secret, or nothing is fetched."""
        idle = frozenset() if self.secret_settings else self.only_with_secret
        if self.fetches_keys:
            return idle
        unused = {*idle, *FETCH_SETTINGS} - {*(GET_SESSION_SETTINGS if self.asks_over_http else ())}
        if any(url.startswith("http:") for url in self.urls):
            unused.discard("allow_http")  # `url` needs it
        if self.has_sessions and not self.key_settings:
            unused.add("cooldown_seconds")
        return frozenset(unused)

    def with_defaults(self) -> Self:
        """Return these settings with what follows from them."""
        return self

    def without_sessions(self) -> Self:
        """Return these settings without those that have no effect because there is no secret."""
        fields = type(self).model_fields
        return self.model_copy(update={name: fields[name].get_default() for name in self.only_with_secret})

    def advice(self) -> Iterator[str]:
        """Yield what of these settings is probably not meant. Right only after `with_defaults`."""
        yield from ()

    def strangers(self) -> str:
        """Return who else may sign in, and which setting keeps them out, if it is nearly everyone; "" if not."""
        return ""

    def problems(self, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:  # noqa: ARG002 - for presets
        """Yield what is wrong with the settings that only this preset has. They are at *setting*.

        *wrong* are the names of settings that are wrong by themselves. What depends on them is not known.
        """
        yield from ()


class CookiesConfig(Settings):
    """The exact names of the session cookies, as browsers send them. Default: the library's own names, by `url`."""

    session_token: Token | None = None
    """The cookie that holds the session or its token."""


class SessionSettings(IssuerSettings):
    """What issuers of session cookies have."""

    has_sessions: ClassVar[bool] = True
    # The library's own name of the session cookie. Under https it has the prefix.
    cookie: ClassVar[str]

    url: Urls | None = None
    """The base URL of the front end, as browsers see it. https means that its cookies begin with `__Secure-`."""
    secrets: Annotated[list[SecretStr], Field(min_length=1, max_length=8)] | None = None
    """Up to 8 secrets, the current one first. What was encrypted under an older one can still be read."""
    cookies: CookiesConfig | None = None
    """The names of the session cookies, if they differ from the library's own."""
    sessions: SessionsConfig | None = None
    """The session store. Default: none."""

    def cookie_names(self) -> tuple[str, ...]:
        """Return the names of the session cookies: with `__Secure-` and without, in this order, if nothing decides."""
        if self.cookies is not None and self.cookies.session_token is not None:
            return (self.cookies.session_token,)
        schemes = {urlsplit(url).scheme for url in self.urls} or {"https", "http"}
        names = {"https": SECURE_PREFIX + self.cookie, "http": self.cookie}
        return tuple(name for scheme, name in names.items() if scheme in schemes)

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs of the front end, each once. Empty if it is not set."""
        return tuple(dict.fromkeys([self.url] if isinstance(self.url, str) else self.url or ()))

    @property
    def may_ask_over_http(self) -> bool:
        """Whether AuthGate may ask the front end itself, for keys or sessions."""
        return False

    @classmethod
    def default_cookies(cls) -> tuple[str, ...]:
        """Return the library's own names of its session cookies, without `__Secure-`."""
        return (cls.cookie,)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDemands:
    """What every JWT of an issuer must have, besides a sound signature, and what it says by itself.

    *required_claims* are the paths of claims that must be there. *demands* are the values that claims must have.
    *token_types* are the accepted values of the header `typ`, if there is one. *accept* is the kind of token:
    access_token, id_token or any. *traits* are what is particular to the tokens.
    """

    required_claims: Sequence[str] = ()
    demands: tuple[Demand, ...] = ()
    token_types: Sequence[str] = ()
    accept: str = "access_token"
    traits: Traits = NO_TRAITS


NO_DEMANDS = TokenDemands()


class JwtSettings(Guidance, IssuerSettings):
    """What issuers of signed JWTs have."""

    jwks_file: NonEmpty | None = None
    """A file with public keys as a JWK or a JWK Set."""
    jwks_url: NonEmpty | None = None
    """The https URL of a JWK Set of public keys. AuthGate fetches it at the start and keeps it up to date; see
    docs/keys.md."""
    allow_http: Annotated[bool, Field(strict=True)] = False
    """Whether the URLs of keys and sessions may be plain http. Then anyone on the network path can replace keys and
    sessions. A loopback address in `url` is always allowed."""
    refresh_seconds: Seconds = Field(default=300, ge=1, le=86400)
    """1 to 86400. How often to fetch the keys. If the response says that it is fresh for less time, AuthGate fetches
    sooner, but not more often than about once a minute. While the issuer answers, a key that it removed is rejected
    after this time at the latest."""
    cooldown_seconds: Seconds = Field(default=10, ge=1, le=3600)
    """1 to 3600, at most refresh_seconds. A token with an unknown key or a bad signature makes AuthGate load the keys
    at once, but at most once in this time."""
    max_stale_seconds: Seconds = Field(default=86400, ge=1, le=2592000)
    """Up to 2592000, at least refresh_seconds. How long to use the last good keys while their URL gives none. After
    that, tokens are refused with 503."""
    ca_file: NonEmpty | None = None
    """CA certificates in PEM that sign the certificates of the URLs of keys and sessions. They replace those of the
    system."""
    outbound_proxy: Annotated[SecretStr, AfterValidator(proxy)] | None = None
    """The HTTP proxy for fetching keys, for example http://proxy:3128. The proxy resolves the names, so AuthGate cannot
    check which addresses it connects to. Session lookups do not use it."""
    jwks_token_file: NonEmpty | None = None
    """The file with a bearer token to send when fetching keys, for servers that demand one, such as the API server of
    Kubernetes. AuthGate reads the file before each fetch. It sends the token over https, to the host and port of
    jwks_url, or with discovery to those of issuer, and nowhere else. See docs/keys.md."""
    issuer: NonEmpty | None = None
    """The exact `iss` of the JWTs."""
    audiences: Audiences | None = None
    """The accepted values of `aud`, or any. A token must have one of them."""
    algorithms: Algorithms | None = None
    """The accepted signature algorithms. Default: all. A key verifies only its own `alg`. A key without `alg` is used
    for HS256 (secret), RS256 (RSA), ES256, ES384, ES512 (by its curve), Ed25519 or Ed448."""

    identity: IdentitySetting = None
    """The claims of JWTs that fields of the identity come from, by field. Each takes a claim path, or a list of them:
    the first claim that is present and not empty counts."""

    _not_null = field_validator("issuer", "audiences", "algorithms", mode="before")(not_null)

    def demands(self) -> TokenDemands:
        """Return what every token must have."""
        return NO_DEMANDS

    @property
    def also_iss(self) -> tuple[str, ...]:
        """Further values of `iss`, besides `issuer`. Right only after `with_defaults`."""
        return ()

    @property
    def usual_ca_file(self) -> str | None:
        """The `ca_file` that follows from other settings. It need not be there before a fetch, which reads it."""
        return None

    @property
    def usual_jwks_url(self) -> str | None:
        """The URL where the library publishes its keys if it signs JWTs at all; None if that is not known."""
        return None


def is_loopback(url: str) -> bool:
    """Whether the host of *url* is localhost or a loopback address. Names are not resolved."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
