"""Preset `better-auth`: session cookies, session tokens and JWTs of Better Auth. docs/formats/better-auth.md."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr

from authgate.config._secrets import secret_problems
from authgate.config._types import NonEmpty, Token
from authgate.config.identity_model import IdentitySetting
from authgate.core.credential import SessionPlace
from authgate.core.errors import Problem
from authgate.core.identity import FIELDS
from authgate.presets import _better_auth_urls
from authgate.presets.preset import LoadedIssuer, Preset, Raw, Variables, accepted_sessions, secret_in, several_urls
from authgate.presets.settings import (
    Algorithms,
    Audiences,
    CookiesConfig,
    JwtSettings,
    SessionSettings,
    TokenDemands,
    Urls,
    is_loopback,
)
from authgate.sessions.layouts import BETTER_AUTH, BETTER_AUTH_SNAKE_CASE
from authgate.stores import STORES, SessionsConfig
from authgate.stores.http import HttpSessionsConfig
from authgate.tokens import FORMATS, derived, session_record
from authgate.tokens.better_auth.bearer import BetterAuthBearer
from authgate.tokens.better_auth.session import DATA_PART, TOKEN_PART, BetterAuthSession
from authgate.tokens.derived import parse_versioned
from authgate.tokens.jwk import BadKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.core.snapshot import Issuer, TokenFormat

SEVERAL = ("BETTER_AUTH_SECRETS", "BETTER_AUTH_SECRETS_FILE")
SECRETS = (*SEVERAL, "BETTER_AUTH_SECRET", "BETTER_AUTH_SECRET_FILE")
# The JWT plugin signs with no other algorithm (1.7.25).
_ALGORITHMS = ["EdDSA", "ES256", "ES512", "RS256", "PS256"]


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class BetterAuthCookies(CookiesConfig):
    """The exact names of the session cookies, as browsers send them. Default: the library's own names, by `url`."""

    session_data: Token | None = None
    """The cookie cache. Default: `session_token` with its last word replaced."""


class BetterAuthIssuer(JwtSettings, SessionSettings):
    """Session cookies and JWTs of Better Auth. Give one of the secrets. Without one, JWTs alone are accepted."""

    cookie: ClassVar[str] = "better-auth.session_token"
    only_with_secret: ClassVar[frozenset[str]] = frozenset(
        {"old_secrets_verify", "strategies", "cookies", "cookie_cache_version", "bearer", "sessions"}
    )

    _further_origins: tuple[str, ...] = PrivateAttr(default=())

    preset: Literal["better-auth"]
    """better-auth: the issuer makes session cookies and JWTs of Better Auth."""
    url: Urls | None = None
    """The base URL of the front end, as browsers see it, or a list of the URLs of all its hosts (`allowedHosts`). https
    means that its cookies begin with `__Secure-`. The origins of the URLs are the default of issuer and audiences.
    AuthGate asks for keys and sessions at the first URL, under /api/auth, or under its path if it has one."""
    secrets_file: NonEmpty | None = None
    """A file that holds several secrets, written like BETTER_AUTH_SECRETS: 2:new,1:old."""
    secrets_env: NonEmpty | None = None
    """The environment variable that holds several secrets, for example BETTER_AUTH_SECRETS."""
    old_secrets_verify: Annotated[bool, Field(strict=True)] = False
    """Whether cookies that were signed under older secrets are accepted too. Better Auth itself signs these users
    out."""
    strategies: list[Literal["compact", "jwt", "jwe"]] = Field(
        default=["compact", "jwt", "jwe"], min_length=1, max_length=3
    )
    """The accepted strategies of the cookie cache."""
    cookies: BetterAuthCookies | None = None
    """The names of the session cookies, if they differ from the library's own."""
    cookie_cache_version: Annotated[NonEmpty, BeforeValidator(_as_text)] = "1"
    """The accepted `session.cookieCache.version`."""
    bearer: Annotated[Literal["none", "signed", "raw"], BeforeValidator(lambda value: value or "none")] = "none"
    """Which session tokens of the bearer plugin are accepted in Authorization. none: no tokens. signed: signed tokens
    (`set-auth-token`). raw: signed and raw tokens. JWTs in Authorization are not affected. signed and raw need a
    session store."""
    anonymous: Literal["refuse", "allow"] = "refuse"
    """Whether to allow users of the anonymous plugin, who have no account."""
    allow_banned: Annotated[bool, Field(strict=True)] = False
    """Whether banned users pass, so that rules alone decide about them."""
    sessions: SessionsConfig | None = None
    """The session store. Default: Better Auth over HTTP if `url` is set, otherwise none."""
    jwt_plugin: Annotated[bool, Field(strict=True)] = True
    """false: the front end does not use the JWT plugin, so AuthGate fetches no keys under `url`."""
    issuer: NonEmpty | None = None
    """The exact `iss` of the JWTs. Default: the origins of `url`."""
    audiences: Audiences | None = None
    """The accepted values of `aud`, or any. A token must have one of them. Default: the origins of `url`."""
    algorithms: Algorithms | None = None
    """The accepted signature algorithms. Default: EdDSA, ES256, ES512, RS256 and PS256. A key verifies only its own
    `alg`. A key without `alg` is used for RS256 (RSA), ES256, ES384, ES512 (by its curve), Ed25519 or Ed448."""

    @property
    def asks_over_http(self) -> bool:
        """Whether sessions are looked up over HTTP. Right only after `with_defaults`."""
        if self.sessions is None or self.sessions.check == "never":
            return False
        return self.sessions.group("http") is not None or not self.sessions.stores

    identity: IdentitySetting = None
    """The claims of JWTs that fields of the identity come from, by field. Each takes a claim path, or a list of them:
    the first claim that is present and not empty counts. It has no effect on session cookies."""

    @property
    def may_ask_over_http(self) -> bool:
        """Whether AuthGate may ask the front end itself, for keys or sessions: yes, if the URL is set."""
        return True

    @property
    def takes_session_tokens(self) -> bool:
        """Whether session tokens of the bearer plugin are accepted in Authorization."""
        return self.bearer != "none"

    @property
    def usual_jwks_url(self) -> str | None:
        """The URL where the JWT plugin publishes its keys, if it is in use; None without `url`."""
        return f"{_better_auth_urls.base(self.urls[0])}/jwks" if self.urls else None

    @property
    def also_iss(self) -> tuple[str, ...]:
        """The origins of the further hosts, unless `issuer` was set. Right only after `with_defaults`."""
        return self._further_origins

    def with_defaults(self) -> Self:
        """Return these settings with what follows from `url`."""
        implied: dict[str, object] = {}
        if self.algorithms is None:
            implied["algorithms"] = _ALGORITHMS
        if self.urls:
            asked, origins = self.urls[0], _better_auth_urls.origins(self.urls)
            implied["issuer"] = self.issuer or origins[0]
            implied["audiences"] = self.audiences or [*origins]
            implied["allow_http"] = self.allow_http or is_loopback(asked)
            if self.jwt_plugin and not self.key_settings:
                implied["jwks_url"] = self.usual_jwks_url
            implied["sessions"] = _sessions(self.sessions, f"{_better_auth_urls.base(asked)}/get-session")
        copy = self.model_copy(update=implied)
        if self.issuer is None and self.urls:
            copy._further_origins = _better_auth_urls.origins(self.urls)[1:]  # noqa: SLF001 - of the same class
        return copy

    def demands(self) -> TokenDemands:
        """Return what the JWT plugin puts into every token."""
        return TokenDemands(required_claims=("exp", "iss"), token_types=("JWT",))

    def data_cookie(self, cookie_name: str) -> str:
        """Return the name of the cookie that holds a copy of the session's data, beside the cookie *cookie_name*."""
        if self.cookies is not None and self.cookies.session_data is not None:
            return self.cookies.session_data
        return _data_name(cookie_name)

    @classmethod
    def default_cookies(cls) -> tuple[str, ...]:
        """Return Better Auth's own names of its session cookies, without `__Secure-`."""
        return cls.cookie, _data_name(cls.cookie)

    def problems(self, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
        """Yield what is wrong with several URLs, the bearer plugin's tokens and the names of the cookies."""
        for position, url in enumerate(self.urls if "url" not in wrong else ()):
            if _better_auth_urls.path(url) != _better_auth_urls.path(self.urls[0]):
                message = "has another path than the first URL, and Better Auth has one basePath for all hosts"
                yield Problem(setting=f"{setting}.url[{position}]", message=message, fix="give all the same path")
        has_no_store = self.sessions is None or self.sessions.check == "never"
        if self.bearer != "none" and has_no_store and not wrong & {"sessions", "sessions.check"}:
            message = f"is {self.bearer}, and only a session store knows the user of a session token"
            fix = "set url, or sessions" if self.sessions is None else "set sessions.check to fallback or always"
            yield Problem(setting=f"{setting}.bearer", message=message, fix=f"{fix}; or remove it")
        if self.cookies is None or "cookies.session_data" in wrong or self.cookies.session_data is not None:
            return
        if not (self.cookies.session_token or "session_token").endswith("session_token"):
            message = "is missing: it can be derived only from a session_token that ends in session_token"
            fix = "name the cookie of the cookie cache"
            yield Problem(setting=f"{setting}.cookies.session_data", message=message, fix=fix)


def _data_name(cookie_name: str) -> str:
    return f"{cookie_name.removesuffix('session_token')}session_data"


def _sessions(sessions: SessionsConfig | None, get_session_url: str) -> SessionsConfig:
    http = HttpSessionsConfig(url=get_session_url)
    if sessions is None:
        return SessionsConfig.model_validate({"http": http})
    written = sessions.group("http")
    if sessions.check == "never" or any(name != "http" for name in sessions.stores):
        return sessions
    if isinstance(written, HttpSessionsConfig) and written.url is not None:
        return sessions
    return sessions.model_copy(update={"http": http})


def _secret_variable(environ: Mapping[str, str]) -> str | None:
    return next((name for name in SECRETS if environ.get(name)), None)


def _from_environment(environ: Mapping[str, str]) -> Raw | None:
    variable = _secret_variable(environ)
    if variable is None:
        return None
    url, older = environ.get("BETTER_AUTH_URL"), environ.get("BETTER_AUTH_SECRET")
    secrets = secret_in(variable, environ, several=variable in SEVERAL)
    if variable == "BETTER_AUTH_SECRETS" and older:  # Better Auth still opens what was encrypted under it
        with contextlib.suppress(BadKey):  # `read_issuer` reports it
            listed = [os.fsdecode(secret) for secret in parse_versioned(os.fsencode(environ[variable]))]
            secrets = {"secrets": [*dict.fromkeys([*listed, older])]}
    raw: Raw = {"name": "better-auth", "preset": "better-auth", **secrets}
    if url:  # plain http in Better Auth's own variable is meant: the start-up log warns of it
        urls = several_urls(url)
        is_plain = any(each.lower().startswith("http:") for each in urls)
        raw |= {"url": urls if len(urls) > 1 else url, **({"allow_http": True} if is_plain else {})}
    return raw


def _variable_problems(environ: Mapping[str, str], issuer: Raw | None) -> Iterator[Problem]:
    """Yield what is wrong with the older secret if no issuer reads it because the several secrets cannot be parsed."""
    older = environ.get("BETTER_AUTH_SECRET")
    if older and issuer is not None and issuer.get("secrets_env") == "BETTER_AUTH_SECRETS":
        yield from secret_problems((os.fsencode(older),), "BETTER_AUTH_SECRET")


def _warnings(environ: Mapping[str, str], issuer: Raw | None) -> Iterator[str]:
    if issuer is None and environ.get("BETTER_AUTH_URL"):
        yield "BETTER_AUTH_URL is set, but without BETTER_AUTH_SECRET no session of Better Auth can be read"


def _formats(loaded: LoadedIssuer) -> tuple[TokenFormat, ...]:
    config = loaded.config
    if not isinstance(config, BetterAuthIssuer):
        return ()
    session = BetterAuthSession(
        strategies=tuple(config.strategies),
        version=config.cookie_cache_version,
        old_secrets_verify=config.old_secrets_verify,
    )
    formats: list[TokenFormat] = [session] if config.secret_settings else []
    if config.bearer != "none":
        formats.append(BetterAuthBearer(accepts=config.bearer, old_secrets_verify=config.old_secrets_verify))
    if config.key_settings:
        formats.append(FORMATS["better-auth-jwt"])
    return tuple(formats)


def _places(config: BetterAuthIssuer) -> tuple[SessionPlace, ...]:
    if not config.secret_settings:
        return ()
    return tuple(
        SessionPlace(
            issuer_name=config.name, part=TOKEN_PART, name=name, data_part=DATA_PART, data_name=config.data_cookie(name)
        )
        for name in config.cookie_names()
    )


def _announcement(issuer: Issuer, loaded: LoadedIssuer) -> str:
    config, store = loaded.config, loaded.store
    if not isinstance(config, BetterAuthIssuer):
        return ""
    if loaded.sessions is None:
        return (
            f"issuer {issuer.name} has no secret: it accepts JWTs alone, no session cookies and no session tokens in "
            "Authorization"
        )
    sentence = accepted_sessions("Better Auth", issuer, config)
    if store is None:
        is_never = config.sessions is not None and config.sessions.check == "never"
        fix = "sessions.check is never" if is_never else "set BETTER_AUTH_URL, or `url` or `sessions` of the issuer"
        data = f"by their cached data ({'/'.join(config.strategies)}) alone"
        return f"{sentence}, {data}; opaque session cookies cannot be checked: {fix}"
    which = "all sessions" if store.check == "always" else "sessions without valid cached data"
    return f"{sentence}; {which} are looked up in {store.where}, and answers are cached for {store.cache_seconds:g} s"


def _states(loaded: LoadedIssuer) -> frozenset[str]:
    """Return the fields that a session can state. The store decides whether they have the user's role."""
    if loaded.jwts is not None:
        return frozenset(FIELDS)
    fields = frozenset(FIELDS) - session_record.NEVER_STATED
    store = loaded.store
    # The columns of a session do not have the role. What get-session returns, and what is in Redis, may have it.
    has_role = store is not None and (store.joins_member or not STORES[store.kind].has_members)
    return fields if has_role else fields - {"organization_role"}


def _refused_accounts(config: BetterAuthIssuer) -> frozenset[str]:
    states = set() if config.allow_banned else {"banned"}
    return frozenset(states | ({"anonymous"} if config.anonymous == "refuse" else set()))


PRESET = Preset(
    settings=BetterAuthIssuer,
    variables=Variables(
        usual="BETTER_AUTH_SECRET",
        secrets=SECRETS,
        issuer=_from_environment,
        several=SEVERAL,
        urls=("BETTER_AUTH_URL",),
        has_several_urls=True,
        rivals=(SEVERAL, ("BETTER_AUTH_SECRETS_FILE", "BETTER_AUTH_SECRET")),
        prefix="BETTER_AUTH_",
        problems=_variable_problems,
        warnings=_warnings,
    ),
    formats=_formats,
    library="Better Auth",
    cookie_format=FORMATS[BetterAuthSession.name],
    session_keys=derived.better_auth,
    announcement=_announcement,
    places=_places,
    stores=("http", "postgres", "redis"),
    layouts=(BETTER_AUTH, BETTER_AUTH_SNAKE_CASE),
    row_format=BetterAuthSession.name,
    states=_states,
    states_accounts=True,
    refused_accounts=_refused_accounts,
    has_members=True,
)
