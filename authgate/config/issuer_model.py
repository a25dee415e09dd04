"""The model of one issuer's settings.

docs/configuration.md is generated from it, as from config/model.py: write the descriptions for operators.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from authgate.config._outbound import redacted
from authgate.config._types import ClaimPathText, NonEmpty, Seconds, Settings, Token, proxy
from authgate.config.identity_model import IdentitySetting, RequiredValues
from authgate.tokens.algorithms import NAMES

# The settings that hold an issuer's shared secret. An issuer has one of them; `secrets…` hold several secrets, the
# current one first.
SECRETS_SETTINGS = ("secrets", "secrets_file", "secrets_env")
SECRET_SETTINGS = ("secret", "secret_file", "secret_env", *SECRETS_SETTINGS)
URL_SETTINGS = ("jwks_url", "discovery")
PUBLIC_KEY_SETTINGS = ("pem_file", "jwks_file", *URL_SETTINGS)
# The sources of keys. An issuer of preset jwt has one of them.
KEY_SETTINGS = (*SECRET_SETTINGS, *PUBLIC_KEY_SETTINGS)
# These have an effect only where keys are fetched by URL.
FETCH_SETTINGS = ("allow_http", "refresh_seconds", "max_stale_seconds", "ca_file", "outbound_proxy")
# Two of them also have an effect where AuthGate asks Better Auth for sessions over HTTP.
GET_SESSION_SETTINGS = ("allow_http", "ca_file")

# How to fix an unfit secret, and an unfit public key, whichever setting holds it.
FIX_BOTH_SIDES = "both sides need the same sound secret; for a new one: openssl rand -base64 48, set on both"
FIX_KEY = "replace the key"

_ALL_PRESETS = frozenset({"name", "preset", "subject_prefix", "secret", "secret_file", "secret_env"})
_SESSIONS = _ALL_PRESETS | {"secrets", "url", "cookies", "sessions"}
_JWTS = frozenset(
    {"jwks_file", "jwks_url", "issuer", "audiences", "algorithms", "identity", "cooldown_seconds", *FETCH_SETTINGS}
)
# The settings that an issuer of each preset may have.
SETTINGS_BY_PRESET: dict[str, frozenset[str]] = {
    "jwt": _ALL_PRESETS
    | _JWTS
    | {"pem_file", "discovery", "required_claims", "require_claims", "token_types", "accept"},
    "better-auth": _SESSIONS
    | _JWTS
    | {"secrets_file", "secrets_env", "old_secrets_verify", "strategies", "cookie_cache_version", "bearer"}
    | {"jwt_plugin", "anonymous", "allow_banned"},
    "authjs": _SESSIONS,
    "nextauth-v4": _SESSIONS,
}

_NAME = r"[a-z0-9][a-z0-9_-]{0,31}"
_SUBJECT_PREFIX = r"[!-$&-~]{0,64}"  # a header value has these characters as they are


def _name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"{redacted(name)} is not a valid name")
    return name


def _subject_prefix(prefix: str) -> str:
    if not re.fullmatch(_SUBJECT_PREFIX, prefix):
        raise ValueError(
            f"{redacted(prefix)} cannot be a prefix: write up to 64 printable ASCII characters without spaces and %"
        )
    return prefix


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class CookiesConfig(Settings):
    """The exact names of the session cookies, as browsers send them. Default: the library's own names, by `url`."""

    session_token: Token | None = None
    """The cookie that holds the session or its token."""
    session_data: Token | None = None
    """better-auth: the cookie cache. Default: `session_token` with its last word replaced."""


class HttpSessionsConfig(Settings):
    """The store over HTTP: AuthGate asks Better Auth's get-session endpoint."""

    url: NonEmpty | None = None
    """The full URL of the endpoint. Default: the one under the issuer's `url`."""


class PostgresSessionsConfig(Settings):
    """The store in PostgreSQL: the tables of Better Auth or of an Auth.js adapter. Needs the extra `postgres`."""

    dsn: SecretStr | None = None
    """postgresql://user:password@host/database. Prefer dsn_file or dsn_env."""
    dsn_file: NonEmpty | None = None
    """A file that holds the DSN."""
    dsn_env: NonEmpty | None = None
    """The environment variable that holds the DSN."""
    db_schema: NonEmpty | None = None
    """The schema of the tables. Default: the one that the search_path of the role finds."""
    snake_case: Annotated[bool, Field(strict=True)] = False
    """Whether the columns are named user_id, expires_at, email_verified …, as in Better Auth's schema for Drizzle."""
    session_table: NonEmpty | None = None
    """The table of sessions. Default: session (better-auth), sessions (authjs, nextauth-v4)."""
    user_table: NonEmpty | None = None
    """The table of users. Default: user (better-auth), users (authjs, nextauth-v4)."""
    member_table: NonEmpty | None = None
    """better-auth: the organization plugin's table of members. Default: member. It is read only if a rule or a header
    names organization or organization_role."""
    token_column: NonEmpty | None = None
    """The session's token. Default: token (better-auth), sessionToken (authjs, nextauth-v4; session_token with
    snake_case)."""
    session_user_column: NonEmpty | None = None
    """The id of the session's user. Default: userId; user_id with snake_case."""
    expires_column: NonEmpty | None = None
    """The time when the session ends. Default: expiresAt (better-auth; expires_at with snake_case), expires (authjs,
    nextauth-v4)."""
    user_id_column: NonEmpty | None = None
    """The user's id. Default: id."""
    ca_file: NonEmpty | None = None
    """CA certificates in PEM that sign the server's certificate. They replace those of the system."""


class RedisSessionsConfig(Settings):
    """The store in Redis: Better Auth's secondary storage. Needs the extra `redis`."""

    url: SecretStr | None = None
    """redis://user:password@host:6379/0, or rediss:// for TLS. Prefer url_file or url_env."""
    url_file: NonEmpty | None = None
    """A file that holds the URL."""
    url_env: NonEmpty | None = None
    """The environment variable that holds the URL."""
    key_prefix: str = ""
    """The prefix before the session token in every key."""
    ca_file: NonEmpty | None = None
    """CA certificates in PEM that sign the server's certificate. They replace those of the system."""


class SessionsConfig(Settings):
    """The session store, which knows whether a session still exists: one of http, postgres and redis. Default: http."""

    check: Literal["fallback", "always", "never"] = "fallback"
    """fallback: look up a session in the store if its cookies hold no valid data, as Better Auth does. always: look up
    every session, so that a sign-out takes effect within cache_seconds. never: there is no store."""
    cache_seconds: Seconds = Field(default=5, ge=0, le=60)
    """0 to 60. How long to cache an answer of the store. 0: look up the session of every request."""
    http: HttpSessionsConfig | None = None
    """Ask Better Auth over HTTP."""
    postgres: PostgresSessionsConfig | None = None
    """Read the tables of Better Auth or of an Auth.js adapter."""
    redis: RedisSessionsConfig | None = None
    """Read Better Auth's secondary storage."""

    @property
    def stores(self) -> tuple[str, ...]:
        """The stores that are set: at most one in a valid configuration."""
        return tuple(name for name in ("http", "postgres", "redis") if getattr(self, name) is not None)


class IssuerConfig(Settings):
    """An issuer whose tokens and sessions are accepted. docs/formats has a page for each preset.

    An issuer of preset `jwt` has exactly one source of keys: secret, secret_file, secret_env, pem_file, jwks_file,
    jwks_url or discovery. An issuer of another preset has exactly one setting for its secret or secrets.
    """

    name: Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": f"^{_NAME}$"})]
    """A name of your choice for logs and metrics: 1 to 32 lower-case letters, digits, - and _, beginning with a letter
    or digit."""
    preset: Literal["jwt", "better-auth", "authjs", "nextauth-v4"]
    """What the issuer makes. jwt: signed JWTs. better-auth: session cookies and JWTs of Better Auth. authjs,
    nextauth-v4: session cookies of Auth.js v5 or of NextAuth v4."""
    url: NonEmpty | None = None
    """All but jwt. The base URL of the front end, as browsers see it. https means that its cookies begin with
    `__Secure-`. better-auth: the origin of the URL is the default of issuer and audiences. better-auth: AuthGate asks
    for keys and sessions under /api/auth, or under the path of the URL if it has one."""
    subject_prefix: Annotated[
        str | None, AfterValidator(lambda prefix: prefix if prefix is None else _subject_prefix(prefix))
    ] = Field(default=None, json_schema_extra={"pattern": f"^{_SUBJECT_PREFIX}$"})
    """What comes before the ids of this issuer's users, for example partner:. In a file with several issuers, each but
    the first must state it, because the same id at two issuers is two people. "" means no prefix: the ids name the same
    people as those of the other issuers without a prefix. See docs/two-applications.md."""
    secret: SecretStr | None = None
    """The shared secret itself. Prefer secret_file or secret_env."""
    secret_file: NonEmpty | None = None
    """A file that holds the shared secret. One newline at its end is ignored."""
    secret_env: NonEmpty | None = None
    """The environment variable that holds the shared secret."""
    secrets: Annotated[list[SecretStr], Field(min_length=1, max_length=8)] | None = None
    """All but jwt. Up to 8 secrets, the current one first. What was encrypted under an older one can still be read."""
    secrets_file: NonEmpty | None = None
    """better-auth. A file that holds several secrets, written like BETTER_AUTH_SECRETS: 2:new,1:old."""
    secrets_env: NonEmpty | None = None
    """better-auth. The environment variable that holds several secrets, for example BETTER_AUTH_SECRETS."""
    old_secrets_verify: Annotated[bool, Field(strict=True)] = False
    """better-auth. Whether cookies that were signed under older secrets are accepted too. Better Auth itself signs
    these users out."""
    strategies: Annotated[list[Literal["compact", "jwt", "jwe"]], Field(min_length=1)] = ["compact", "jwt", "jwe"]
    """better-auth. The accepted strategies of the cookie cache."""
    cookies: CookiesConfig | None = None
    """All but jwt. The names of the session cookies, if they differ from the library's own."""
    cookie_cache_version: Annotated[NonEmpty, BeforeValidator(_as_text)] = "1"
    """better-auth. The accepted `session.cookieCache.version`."""
    bearer: Annotated[Literal["none", "signed", "raw"], BeforeValidator(lambda value: value or "none")] = "none"
    """better-auth. Which session tokens of the bearer plugin are accepted in Authorization. none: no tokens. signed:
    signed tokens (`set-auth-token`). raw: signed and raw tokens. JWTs in Authorization are not affected. signed and raw
    need a session store."""
    anonymous: Literal["refuse", "allow"] = "refuse"
    """better-auth. Whether to allow users of the anonymous plugin, who have no account."""
    allow_banned: Annotated[bool, Field(strict=True)] = False
    """better-auth. Whether banned users pass, so that rules alone decide about them."""
    sessions: SessionsConfig | None = None
    """All but jwt. The session store. better-auth: by default Better Auth over HTTP if `url` is set, otherwise none.
    authjs, nextauth-v4: by default none."""
    jwt_plugin: Annotated[bool, Field(strict=True)] = True
    """better-auth. false: the front end does not use the JWT plugin, so AuthGate fetches no keys under `url`."""
    pem_file: NonEmpty | None = None
    """jwt. A file with public keys or certificates in PEM."""
    jwks_file: NonEmpty | None = None
    """jwt, better-auth. A file with public keys as a JWK or a JWK Set."""
    jwks_url: NonEmpty | None = None
    """jwt, better-auth. The https URL of a JWK Set of public keys. AuthGate fetches it at the start and keeps it up to
    date; see docs/keys.md."""
    discovery: Annotated[bool, Field(strict=True)] = False
    """jwt. true: take the URL of the JWK Set from the metadata of `issuer` (OpenID Connect Discovery, RFC 8414)."""
    allow_http: Annotated[bool, Field(strict=True)] = False
    """jwt, better-auth. Whether the URLs of keys and sessions may be plain http. Then anyone on the network path can
    replace keys and sessions. A loopback address in `url` is always allowed."""
    refresh_seconds: Seconds = Field(default=300, ge=1, le=86400)
    """jwt, better-auth. 1 to 86400. How often to fetch the keys. If the response says that it is fresh for less time,
    AuthGate fetches sooner, but not more often than about once a minute. While the issuer answers, a key that it
    removed is rejected after this time at the latest."""
    cooldown_seconds: Seconds = Field(default=10, ge=1, le=3600)
    """jwt, better-auth. 1 to 3600, at most refresh_seconds. A token with an unknown key or a bad signature makes
    AuthGate load the keys at once, but at most once in this time."""
    max_stale_seconds: Seconds = Field(default=86400, ge=1, le=2592000)
    """jwt, better-auth. Up to 2592000, at least refresh_seconds. How long to use the last good keys while their URL
    gives none. After that, tokens are refused with 503."""
    ca_file: NonEmpty | None = None
    """jwt, better-auth. CA certificates in PEM that sign the certificates of the URLs of keys and sessions. They
    replace those of the system."""
    outbound_proxy: Annotated[SecretStr, AfterValidator(proxy)] | None = None
    """jwt, better-auth. The HTTP proxy for fetching keys, for example http://proxy:3128. The proxy resolves the names,
    so AuthGate cannot check which addresses it connects to. Session lookups do not use it."""
    issuer: NonEmpty | None = None
    """jwt, better-auth. The exact `iss` of the JWTs. better-auth: by default the origin of `url`. jwt: by default any
    `iss` is accepted; at most one issuer may leave it out."""
    audiences: Literal["any"] | Annotated[list[NonEmpty], Field(min_length=1)] | None = None
    """jwt, better-auth. The accepted values of `aud`, or any. A token must have one of them. jwt: required in a file.
    better-auth: by default the origin of `url`."""
    algorithms: Annotated[list[Literal[NAMES]], Field(min_length=1)] | None = None  # type: ignore[valid-type]
    """jwt, better-auth. The accepted signature algorithms. jwt: by default all. better-auth: by default EdDSA, ES256,
    ES512, RS256 and PS256. A key verifies only its own `alg`. A key without `alg` is used for HS256 (secret), RS256
    (RSA), ES256, ES384, ES512 (by its curve), Ed25519 or Ed448."""
    identity: IdentitySetting = None
    """jwt, better-auth. The claims of JWTs that fields of the identity come from, by field. Each takes a claim path, or
    a list of them: the first claim that is present and not empty counts. better-auth: it has no effect on session
    cookies."""
    required_claims: list[ClaimPathText] = ["exp"]
    """jwt. The claims that every token must have, by their paths. An empty claim counts as absent. The subject is
    always required. A token without exp never expires."""
    require_claims: RequiredValues = None
    """jwt. Claims that must have one of these values, by their paths. The values are exact, types included: 1 is not
    true. A claim that is a list must hold one of them."""
    token_types: Annotated[list[NonEmpty], Field(min_length=1)] = ["JWT", "at+jwt"]
    """jwt. The accepted values of the header `typ`, in upper or lower case. A token without `typ` is accepted. Types of
    other kinds of tokens, such as logout+jwt, cannot be listed."""
    accept: Literal["access_token", "id_token", "any"] = "access_token"
    """jwt. Which kinds of tokens are accepted, by what their claims and their header `typ` say. access_token: no ID
    tokens. id_token: no access tokens; `audiences` must list the client ids. any: both. Refresh tokens and logout
    tokens are never accepted. See docs/formats/jwt.md."""

    @property
    def has_sessions(self) -> bool:
        """Whether the issuer makes session cookies, whose keys are derived from its secret."""
        return self.preset != "jwt"

    @property
    def secret_settings(self) -> tuple[str, ...]:
        """The settings of SECRET_SETTINGS that are set. A valid issuer with sessions has exactly one."""
        return tuple(name for name in SECRET_SETTINGS if getattr(self, name) is not None)

    @property
    def key_settings(self) -> tuple[str, ...]:
        """The sources of the keys for JWTs. A valid issuer has exactly one for preset jwt, else at most one."""
        known = [name for name in PUBLIC_KEY_SETTINGS if name in SETTINGS_BY_PRESET[self.preset]]
        sources = tuple(name for name in known if getattr(self, name) not in {None, False})
        return sources if self.has_sessions else self.secret_settings + sources

    @property
    def fetches_keys(self) -> bool:
        """Whether the keys for JWTs are fetched by URL."""
        return any(name in URL_SETTINGS for name in self.key_settings)

    @property
    def uses_get_session(self) -> bool:
        """Whether sessions are looked up over HTTP. Right only after `with_defaults`."""
        if self.preset != "better-auth" or self.sessions is None or self.sessions.check == "never":
            return False
        return self.sessions.http is not None or not self.sessions.stores

    @property
    def unused_settings(self) -> frozenset[str]:
        """The settings that have no effect, set or not, because no keys are fetched (and no sessions over HTTP)."""
        if self.fetches_keys:
            return frozenset()
        unused = {*FETCH_SETTINGS} - {*(GET_SESSION_SETTINGS if self.uses_get_session else ())}
        if self.has_sessions and (self.url or "").startswith("http:"):
            unused.discard("allow_http")  # `url` needs it
        if self.has_sessions and not self.key_settings:
            unused.add("cooldown_seconds")
        return frozenset(unused)
