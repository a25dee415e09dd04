"""The defaults of each preset: those of the library itself. Most of them follow from `url`."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from authgate.config.issuer_model import CookiesConfig, HttpSessionsConfig, SessionsConfig

if TYPE_CHECKING:
    from authgate.config.issuer_model import IssuerConfig

# Better Auth's JWT plugin signs with no other algorithm (1.7.25).
_BETTER_AUTH_ALGORITHMS = ["EdDSA", "ES256", "ES512", "RS256", "PS256"]
_BASE_PATH = "/api/auth"

# The session cookie of each preset. Under https its name has the prefix.
_SESSION_COOKIES = {
    "better-auth": "better-auth.session_token",
    "authjs": "authjs.session-token",
    "nextauth-v4": "next-auth.session-token",
}
SECURE_PREFIX = "__Secure-"


def with_defaults(config: IssuerConfig) -> IssuerConfig:
    """Return *config* with the defaults of its preset. Only better-auth has any."""
    if config.preset != "better-auth":
        return config
    implied: dict[str, object] = {"token_types": ["JWT"], "required_claims": ["exp", "iss"]}
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
    """Return the URL where Better Auth's JWT plugin publishes its keys, if it is in use; None without `url`."""
    return f"{_base(config.url)}/jwks" if config.preset == "better-auth" and config.url is not None else None


def cookie_names(config: IssuerConfig) -> tuple[CookiesConfig, ...]:
    """Return the names of the session cookies: with and without `__Secure-`, in this order, if no setting decides."""
    cookies = config.cookies
    if cookies is not None and cookies.session_token is not None:
        return (_names(config, cookies.session_token, cookies.session_data),)
    name = _SESSION_COOKIES[config.preset]
    secure = _names(config, SECURE_PREFIX + name, None)
    plain = _names(config, name, None)
    if config.url is None:
        return secure, plain
    return (secure,) if urlsplit(config.url).scheme == "https" else (plain,)


def default_cookie_names() -> tuple[str, ...]:
    """Return the names of every preset's session cookies, without `__Secure-`."""
    tokens = _SESSION_COOKIES.values()
    return (*tokens, _data_name(_SESSION_COOKIES["better-auth"]))


def is_loopback(url: str) -> bool:
    """Whether the host of *url* is localhost or a loopback address. Names are not resolved."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _names(config: IssuerConfig, token: str, data: str | None) -> CookiesConfig:
    if config.preset != "better-auth":
        return CookiesConfig(session_token=token)
    return CookiesConfig(session_token=token, session_data=data or _data_name(token))


def _data_name(token: str) -> str:
    """Return the name of the cookie that holds a copy of the session's data, beside Better Auth's cookie *token*."""
    return f"{token.removesuffix('session_token')}session_data"


def _sessions(config: IssuerConfig, get_session_url: str) -> SessionsConfig:
    sessions = config.sessions
    if sessions is None:
        return SessionsConfig(http=HttpSessionsConfig(url=get_session_url))
    if sessions.check == "never" or sessions.postgres is not None or sessions.redis is not None:
        return sessions
    url = sessions.http.url if sessions.http is not None else None
    return sessions.model_copy(update={"http": HttpSessionsConfig(url=url or get_session_url)})


def _origin(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = None if (parts.scheme, parts.port) in {("https", 443), ("http", 80)} else parts.port
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}"


def _base(url: str) -> str:
    """Return the base of Better Auth's endpoints: *url* with its own path, else with /api/auth (BA/utils/url.mjs)."""
    path = urlsplit(url).path.rstrip("/")
    return _origin(url) + (path or _BASE_PATH)
