"""What a preset's settings come to where they are left out: the library's own defaults, most of them by `url`."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from authgate.config.issuer_model import CookiesConfig, HttpSessionsConfig, SessionsConfig

if TYPE_CHECKING:
    from authgate.config.issuer_model import IssuerConfig

# Better Auth's JWT plugin signs with no other (1.7.25).
_BETTER_AUTH_ALGORITHMS = ["EdDSA", "ES256", "ES512", "RS256", "PS256"]
_BASE_PATH = "/api/auth"

# The session cookie of each preset, without and with the prefix that it has under https.
_SESSION_COOKIES = {
    "better-auth": "better-auth.session_token",
    "authjs": "authjs.session-token",
    "nextauth-v4": "next-auth.session-token",
}
SECURE_PREFIX = "__Secure-"


def with_defaults(config: IssuerConfig) -> IssuerConfig:
    """Return *config* with what its preset implies. Of preset jwt it is as it was."""
    if config.preset != "better-auth":
        return config
    implied: dict[str, object] = {"token_types": ["JWT"], "required_claims": ["sub", "exp", "iss"]}
    if config.algorithms is None:
        implied["algorithms"] = _BETTER_AUTH_ALGORITHMS
    if config.url is not None:
        origin, base = _origin(config.url), _base(config.url)
        implied["issuer"] = config.issuer or origin
        implied["audiences"] = config.audiences or [origin]
        implied["allow_http"] = config.allow_http or is_loopback(config.url)
        if config.jwt_plugin and not config.key_settings:
            implied["jwks_url"] = default_jwks_url(config)
        implied["sessions"] = _sessions(config, f"{base}/get-session")
    return config.model_copy(update=implied)


def default_jwks_url(config: IssuerConfig) -> str | None:
    """Return where Better Auth's JWT plugin publishes its keys, if it is in use; None where no `url` says."""
    return f"{_base(config.url)}/jwks" if config.preset == "better-auth" and config.url is not None else None


def cookie_names(config: IssuerConfig) -> tuple[CookiesConfig, ...]:
    """Return the names of the session cookies of *config*, those with `__Secure-` first where both are accepted."""
    given = config.cookies
    if given is not None and given.session_token is not None:
        return (_with_data(config, given.session_token, given.session_data),)
    name = _SESSION_COOKIES[config.preset]
    secure = _with_data(config, SECURE_PREFIX + name, None)
    plain = _with_data(config, name, None)
    if config.url is None:
        return secure, plain
    return (secure,) if urlsplit(config.url).scheme == "https" else (plain,)


def is_loopback(url: str) -> bool:
    """Say whether the host of *url* is this machine by its very form."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _with_data(config: IssuerConfig, token: str, data: str | None) -> CookiesConfig:
    if config.preset != "better-auth":
        return CookiesConfig(session_token=token)
    return CookiesConfig(session_token=token, session_data=data or f"{token.removesuffix('session_token')}session_data")


def _sessions(config: IssuerConfig, get_session: str) -> object:
    sessions = config.sessions
    if sessions is None:
        return SessionsConfig(http=HttpSessionsConfig(url=get_session))
    if sessions.check == "never" or sessions.postgres is not None or sessions.redis is not None:
        return sessions
    url = sessions.http.url if sessions.http is not None else None
    return sessions.model_copy(update={"http": HttpSessionsConfig(url=url or get_session)})


def _origin(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = None if (parts.scheme, parts.port) in {("https", 443), ("http", 80)} else parts.port
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}"


def _base(url: str) -> str:
    """Return where Better Auth answers: under its base URL's own path, else under /api/auth (BA/utils/url.mjs)."""
    path = urlsplit(url).path.rstrip("/")
    return _origin(url) + (path or _BASE_PATH)
