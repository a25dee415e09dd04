"""The model of one issuer's settings. docs/configuration.md is made from it, as from config/model.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from authgate.config._types import NonEmpty, Seconds, Settings, Token, proxy
from authgate.tokens.algorithms import NAMES

# The settings that say what an issuer's shared secret is, of which it has one; `secrets…` hold several, the current one
# first.
SECRETS_SETTINGS = ("secrets", "secrets_file", "secrets_env")
SECRET_SETTINGS = ("secret", "secret_file", "secret_env", *SECRETS_SETTINGS)
URL_SETTINGS = ("jwks_url", "discovery")
PUBLIC_KEY_SETTINGS = ("pem_file", "jwks_file", *URL_SETTINGS)
# Where keys may come from. An issuer of preset jwt has one of them.
KEY_SETTINGS = (*SECRET_SETTINGS, *PUBLIC_KEY_SETTINGS)
# What means something only for keys that come by URL.
FETCH_SETTINGS = ("allow_http", "refresh_seconds", "max_stale_seconds", "ca_file", "outbound_proxy")
# Those of them that mean something for sessions that Better Auth is asked for, too.
GET_SESSION_SETTINGS = ("allow_http", "ca_file")

_OF_ALL = frozenset({"name", "preset", "secret", "secret_file", "secret_env"})
_OF_SESSIONS = _OF_ALL | {"secrets", "url", "cookies", "sessions"}
_OF_JWTS = frozenset(
    {"jwks_file", "jwks_url", "issuer", "audiences", "algorithms", "cooldown_seconds", *FETCH_SETTINGS}
)
# Which settings mean something for an issuer of each preset.
SETTINGS_BY_PRESET: dict[str, frozenset[str]] = {
    "jwt": _OF_ALL | _OF_JWTS | {"pem_file", "discovery", "required_claims", "token_types"},
    "better-auth": _OF_SESSIONS
    | _OF_JWTS
    | {"secrets_file", "secrets_env", "old_secrets_verify", "strategies", "cookie_cache_version", "bearer"}
    | {"jwt_plugin", "anonymous"},
    "authjs": _OF_SESSIONS,
    "nextauth-v4": _OF_SESSIONS,
}


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class CookiesConfig(Settings):
    """The exact names of the session cookies, as browsers send them. Left out: the library's own, by `url`."""

    session_token: Token | None = None
    """The cookie that holds the session (or its token)."""
    session_data: Token | None = None
    """better-auth: the cookie cache. Left out: `session_token` with its last word replaced."""


class HttpSessionsConfig(Settings):
    """Sessions by asking Better Auth's get-session."""

    url: NonEmpty | None = None
    """The full address. Left out: the one under the issuer's `url`."""


class PostgresSessionsConfig(Settings):
    """Sessions by reading the tables of Better Auth or of an Auth.js adapter. Needs the extra `postgres`."""

    dsn: SecretStr | None = None
    """postgresql://user:password@host/database. Prefer one of the next two."""
    dsn_file: NonEmpty | None = None
    """A file with it."""
    dsn_env: NonEmpty | None = None
    """The environment variable that holds it."""
    db_schema: NonEmpty | None = None
    """The schema of the tables. Left out: the one that the role's search_path finds."""
    snake_case: Annotated[bool, Field(strict=True)] = False
    """Whether columns are named user_id, expires_at, email_verified …, as Better Auth's generator does for Drizzle."""
    session_table: NonEmpty | None = None
    """Left out: session (better-auth), sessions (authjs, nextauth-v4)."""
    user_table: NonEmpty | None = None
    """Left out: user (better-auth), users (authjs, nextauth-v4)."""
    token_column: NonEmpty | None = None
    """Of a session its token. Left out: token, sessionToken."""
    session_user_column: NonEmpty | None = None
    """Of a session its user's id. Left out: userId; user_id with snake_case."""
    expires_column: NonEmpty | None = None
    """Of a session its end. Left out: expiresAt, expires; expires_at with snake_case."""
    user_id_column: NonEmpty | None = None
    """Of a user the id. Left out: id."""
    ca_file: NonEmpty | None = None
    """CA certificates in PEM that sign the server's certificate, instead of the system's."""


class RedisSessionsConfig(Settings):
    """Sessions by reading Better Auth's secondary storage. Needs the extra `redis`."""

    url: SecretStr | None = None
    """redis://user:password@host:6379/0, or rediss:// for TLS. Prefer one of the next two."""
    url_file: NonEmpty | None = None
    """A file with it."""
    url_env: NonEmpty | None = None
    """The environment variable that holds it."""
    key_prefix: str = ""
    """What stands before the session token in a key."""
    ca_file: NonEmpty | None = None
    """CA certificates in PEM that sign the server's certificate, instead of the system's."""


class SessionsConfig(Settings):
    """The session store: where the truth about sessions lies. One of http, postgres and redis; none: http."""

    check: Literal["fallback", "always", "never"] = "fallback"
    """fallback: the store is asked where the cookies hold no data that can be believed, as Better Auth does. always: it
    is asked whatever they hold, so that a sign-out counts within cache_seconds. never: there is no store."""
    cache_seconds: Seconds = Field(default=5, ge=0, le=60)
    """0 to 60. How long an answer of the store holds; 0: it is asked for every request."""
    http: HttpSessionsConfig | None = None
    """Ask Better Auth."""
    postgres: PostgresSessionsConfig | None = None
    """Read its tables."""
    redis: RedisSessionsConfig | None = None
    """Read its secondary storage."""

    @property
    def stores(self) -> tuple[str, ...]:
        """Which stores it has: one at most, if it is sound."""
        return tuple(name for name in ("http", "postgres", "redis") if getattr(self, name) is not None)


class IssuerConfig(Settings):
    """Somebody whose tokens are accepted, by what makes them (`preset`). docs/formats has a page for each preset.

    Where its keys are: for `jwt` exactly one of secret, secret_file, secret_env, pem_file, jwks_file, jwks_url and
    discovery; for the others one setting of a secret.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    """A name of your choice, for logs and metrics: lower-case letters, digits, - and _."""
    preset: Literal["jwt", "better-auth", "authjs", "nextauth-v4"]
    """What the issuer makes. jwt: signed JWTs. better-auth: session cookies and JWTs of Better Auth. authjs,
    nextauth-v4: session cookies of Auth.js v5, of NextAuth v4."""
    url: NonEmpty | None = None
    """All but jwt. The base URL of the front end, as browsers see it: https means `__Secure-` cookies. better-auth:
    also the default of issuer and audiences (its origin), and of the addresses of keys and sessions (/api/auth under
    it, unless it has a path itself)."""
    secret: SecretStr | None = None
    """The shared secret itself. Prefer one of the next two."""
    secret_file: NonEmpty | None = None
    """A file with the shared secret; one newline at its end is not part of it."""
    secret_env: NonEmpty | None = None
    """The environment variable that holds the shared secret."""
    secrets: Annotated[list[SecretStr], Field(min_length=1, max_length=8)] | None = None
    """All but jwt. Several secrets, the current one first: what was encrypted under an older one still opens."""
    secrets_file: NonEmpty | None = None
    """better-auth. A file with several, as BETTER_AUTH_SECRETS holds them: 2:new,1:old."""
    secrets_env: NonEmpty | None = None
    """better-auth. The environment variable that holds several, as BETTER_AUTH_SECRETS."""
    old_secrets_verify: Annotated[bool, Field(strict=True)] = False
    """better-auth. Whether signed cookies under older secrets count, too. Better Auth itself signs their users out."""
    strategies: Annotated[list[Literal["compact", "jwt", "jwe"]], Field(min_length=1)] = ["compact", "jwt", "jwe"]
    """better-auth. The strategies of the cookie cache that are accepted."""
    cookies: CookiesConfig | None = None
    """All but jwt. The names of the session cookies, where they are not the library's own."""
    cookie_cache_version: Annotated[NonEmpty, BeforeValidator(_as_text)] = "1"
    """better-auth. The `session.cookieCache.version` that is accepted."""
    bearer: Annotated[Literal["none", "signed", "raw"], BeforeValidator(lambda given: given or "none")] = "none"
    """better-auth. Whether session tokens of the bearer plugin in Authorization are accepted: not at all, signed ones
    (`set-auth-token`), or also raw ones. JWTs there are not affected. Needs a session store."""
    anonymous: Literal["refuse", "allow"] = "refuse"
    """better-auth. Whether users of the anonymous plugin, who have no account, pass."""
    sessions: SessionsConfig | None = None
    """All but jwt. The session store. Left out: with better-auth and `url` Better Auth itself is asked (http), else
    there is none."""
    jwt_plugin: Annotated[bool, Field(strict=True)] = True
    """better-auth. false: Better Auth's JWT plugin is not in use, so no keys are fetched under `url`."""
    pem_file: NonEmpty | None = None
    """jwt. A file with public keys or certificates in PEM."""
    jwks_file: NonEmpty | None = None
    """jwt, better-auth. A file with a JWK or a JWK Set of public keys."""
    jwks_url: NonEmpty | None = None
    """jwt, better-auth. The https URL of a JWK Set of public keys: fetched at the start, and kept up to date as
    docs/keys.md says."""
    discovery: Annotated[bool, Field(strict=True)] = False
    """jwt. true: the URL of the JWK Set is taken from the metadata of `issuer` (OpenID Connect Discovery, RFC 8414)."""
    allow_http: Annotated[bool, Field(strict=True)] = False
    """Whether the URLs may be plain http: then whoever is on the way can put keys or sessions of his own into them. Of
    `url` the loopback addresses may always be."""
    refresh_seconds: Seconds = Field(default=300, ge=1, le=86400)
    """1 to 86400. How often a key set is fetched by URL; sooner, but not within about a minute, if its response says
    that it is fresh for less. While the issuer answers, a key that it took out verifies no more after this time."""
    cooldown_seconds: Seconds = Field(default=10, ge=1, le=3600)
    """1 to 3600, and refresh_seconds at most. How often, at most, tokens that name an unknown key, or whose signature
    does not hold under a public key, make AuthGate load the keys at once."""
    max_stale_seconds: Seconds = Field(default=86400, ge=1, le=2592000)
    """Up to 2592000, and refresh_seconds at least. How long the keys of the last good answer hold while their URL gives
    none. Then tokens are refused (503)."""
    ca_file: NonEmpty | None = None
    """CA certificates in PEM that sign the certificate of the URLs (of get-session, too), instead of the system's."""
    outbound_proxy: Annotated[SecretStr, AfterValidator(proxy)] | None = None
    """The HTTP proxy to fetch keys through, as http://proxy:3128. It looks up the names: what it reaches is its affair.
    Sessions are asked for directly."""
    issuer: NonEmpty | None = None
    """The exact `iss` of its JWTs. Left out: any; at most one issuer may leave it out. better-auth: that of `url`."""
    audiences: Literal["any"] | Annotated[list[NonEmpty], Field(min_length=1)] | None = None
    """The values of `aud` that are accepted, one of which the token must have; or any. jwt: required in a file."""
    algorithms: Annotated[list[Literal[NAMES]], Field(min_length=1)] | None = None  # type: ignore[valid-type]
    """The signature algorithms accepted. Left out: all, each key for its own `alg`; a key without one
    for HS256 (secret), RS256 (RSA), ES256, ES384, ES512 (by curve), Ed25519 or Ed448."""
    required_claims: list[NonEmpty] = ["sub", "exp"]
    """jwt. Claims that every token must have; sub always. A token without exp never expires."""
    token_types: Annotated[list[NonEmpty], Field(min_length=1)] = ["JWT", "at+jwt"]
    """jwt. Values of the header's `typ` that are accepted, in any case. A token without `typ` is accepted."""

    @property
    def has_sessions(self) -> bool:
        """Whether it makes session cookies, under a secret from which keys are derived."""
        return self.preset != "jwt"

    @property
    def secret_settings(self) -> tuple[str, ...]:
        """Those of SECRET_SETTINGS that are set: one, if the issuer has sessions and is sound."""
        return tuple(name for name in SECRET_SETTINGS if getattr(self, name) is not None)

    @property
    def key_settings(self) -> tuple[str, ...]:
        """Where the keys of its JWTs come from: one, if it is of preset jwt and sound; one or none else."""
        known = [name for name in PUBLIC_KEY_SETTINGS if name in SETTINGS_BY_PRESET[self.preset]]
        found = tuple(name for name in known if getattr(self, name) not in {None, False})
        return found if self.has_sessions else self.secret_settings + found

    @property
    def fetches_keys(self) -> bool:
        """Whether the keys are fetched."""
        return any(name in URL_SETTINGS for name in self.key_settings)

    @property
    def uses_get_session(self) -> bool:
        """Whether Better Auth is asked for sessions, by http; asked of what `with_defaults` has filled in."""
        if self.preset != "better-auth" or self.sessions is None or self.sessions.check == "never":
            return False
        return self.sessions.http is not None or not self.sessions.stores

    @property
    def unused_settings(self) -> frozenset[str]:
        """Those that mean nothing, set or not: they are for keys by URL, FOR_GET_SESSION for sessions by http, too."""
        if self.fetches_keys:
            return frozenset()
        idle = {*FETCH_SETTINGS} - {*(GET_SESSION_SETTINGS if self.uses_get_session else ())}
        if self.has_sessions and (self.url or "").startswith("http:"):
            idle.discard("allow_http")  # which `url` needs
        if self.has_sessions and not self.key_settings:
            idle.add("cooldown_seconds")
        return frozenset(idle)
