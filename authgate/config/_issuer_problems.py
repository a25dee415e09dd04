"""Check one issuer's settings beyond what the model checks by itself.

Every check takes *wrong*, the names of the settings that are wrong by themselves, and skips what depends on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.config._outbound import redacted, url_problems
from authgate.config.issuer_model import (
    GET_SESSION_SETTINGS,
    PUBLIC_KEY_SETTINGS,
    SECRET_SETTINGS,
    SETTINGS_BY_PRESET,
)
from authgate.config.preset_defaults import is_loopback
from authgate.core.errors import Problem
from authgate.core.snapshot import Accept
from authgate.tokens.purpose import states_another_purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.config.issuer_model import IssuerConfig

_FIX_BASE_URL = "write the front end's URL, such as https://app.example.com; for plain http add allow_http: true"
_FIX_URL = "write https://host/path, without user and fragment; for plain http add allow_http: true to the issuer"


def base_url_problems(config: IssuerConfig, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
    """Yield what is wrong with the URL of the front end."""
    if config.url is None or "url" in wrong:
        return
    is_asked = config.preset == "better-auth" and not wrong & {"preset", "allow_http"}
    allow_http = not is_asked or config.allow_http or is_loopback(config.url)
    setting = f"{setting}.url"
    yield from url_problems(config.url, setting, allow_http=allow_http, content="keys and sessions", fix=_FIX_BASE_URL)
    if "?" in config.url:
        message = f"{redacted(config.url, 200)} has a query, which a base URL cannot have"
        yield Problem(setting=setting, message=message, fix="remove the query")


def given_sources(config: IssuerConfig, wrong: frozenset[str]) -> tuple[str, ...]:
    """Return the settings of keys that the operator wrote, right or wrong: first those of secrets."""
    names = {*config.secret_settings, *config.key_settings} | (wrong - {"discovery"})
    public = (name for name in PUBLIC_KEY_SETTINGS if name in SETTINGS_BY_PRESET[config.preset])
    return tuple(name for name in (*SECRET_SETTINGS, *public) if name in names)


def _public(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name not in SECRET_SETTINGS]


def foreign_problems(config: IssuerConfig, given: set[str], setting: str) -> Iterator[Problem]:
    """Yield the settings that do not apply to issuers of this preset."""
    known = {name for names in SETTINGS_BY_PRESET.values() for name in names}
    for name in sorted(given & known - SETTINGS_BY_PRESET[config.preset]):
        presets = ", ".join(preset for preset, names in SETTINGS_BY_PRESET.items() if name in names)
        message = f"does not apply to preset {config.preset}"
        yield Problem(setting=f"{setting}.{name}", message=message, fix=f"remove it; it is for {presets}")


def source_problems(
    config: IssuerConfig, setting: str, sources: tuple[str, ...], wrong: frozenset[str]
) -> Iterator[Problem]:
    """Yield what is wrong with the number of secrets and of sources of keys."""
    secrets = [name for name in sources if name in SECRET_SETTINGS]
    public = _public(sources)
    if not sources and not config.has_sessions and "discovery" not in wrong:
        fix = "add secret_file (or secret_env, secret), pem_file, jwks_file, jwks_url or discovery: true"
        yield Problem(setting=setting, message="has no key, so no token could be verified", fix=fix)
    elif config.has_sessions and not secrets:
        names = ", ".join(name for name in SECRET_SETTINGS if name in SETTINGS_BY_PRESET[config.preset])
        yield Problem(setting=setting, message="has no secret", fix=f"set one of {names} to the front end's secret")
    if len(secrets) > 1 and (config.has_sessions or "preset" in wrong):
        message = f"has {' and '.join(secrets)}: an issuer has one setting for its secrets"
        yield Problem(setting=setting, message=message, fix="keep one")
    if len(sources) > 1 and not config.has_sessions and "preset" not in wrong:
        message = f"has {' and '.join(sources)}: one issuer has one source of keys"
        if secrets and public:
            message += "; a shared secret and public keys in one set let anybody who has the public key sign"
        yield Problem(setting=setting, message=message, fix="keep one, or list two issuers")
    if len(public) > 1 and config.has_sessions:
        message = f"has {' and '.join(public)}: its JWTs have one source of keys"
        yield Problem(setting=setting, message=message, fix="keep one")


def session_problems(
    config: IssuerConfig, setting: str, sources: tuple[str, ...], wrong: frozenset[str]
) -> Iterator[Problem]:
    """Yield what is wrong with the settings of an issuer that makes session cookies, except the cookies' names."""
    if not config.has_sessions:
        return
    if config.issuer is None and (config.key_settings or _public(sources)):
        message = "is missing: these keys would verify JWTs of any issuer"
        fix = "set url, or set issuer to the exact `iss` of the JWTs"
        yield Problem(setting=f"{setting}.issuer", message=message, fix=fix)
    has_no_store = config.sessions is None or config.sessions.check == "never"
    if config.bearer != "none" and has_no_store and not wrong & {"sessions", "sessions.check"}:
        message = f"is {config.bearer}, and only a session store knows the user of a session token"
        fix = "set url, or sessions" if config.sessions is None else "set sessions.check to fallback or always"
        yield Problem(setting=f"{setting}.bearer", message=message, fix=f"{fix}; or remove it")


def cookie_problems(config: IssuerConfig, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
    """Yield what is wrong with the names of the session cookies."""
    cookies, preset_is_known = config.cookies, "preset" not in wrong
    if cookies is None or (preset_is_known and not config.has_sessions):
        return
    if cookies.session_token is None and "cookies.session_token" not in wrong:
        fix = "add it, or remove the group"
        yield Problem(setting=f"{setting}.cookies", message="has no session_token", fix=fix)
    if not preset_is_known or "cookies.session_data" in wrong:
        return
    setting = f"{setting}.cookies.session_data"
    if config.preset != "better-auth" and cookies.session_data is not None:
        yield Problem(setting=setting, message=f"does not apply to preset {config.preset}", fix="remove it")
    token = cookies.session_token or "session_token"
    if config.preset == "better-auth" and cookies.session_data is None and not token.endswith("session_token"):
        message = "is missing: it can be derived only from a session_token that ends in session_token"
        yield Problem(setting=setting, message=message, fix="name the cookie of the cookie cache")


def audience_problems(config: IssuerConfig, setting: str, sources: tuple[str, ...]) -> Iterator[Problem]:
    """Yield the problem of an issuer in a file without `audiences`."""
    if config.audiences is None and (config.key_settings or _public(sources) or not config.has_sessions):
        fix = "list the `aud` values of your API's tokens, or write audiences: any to accept tokens for others too"
        yield Problem(setting=f"{setting}.audiences", message="is missing", fix=fix)


def purpose_problems(config: IssuerConfig, given: set[str], setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
    """Yield what is wrong with the kinds of tokens that are accepted."""
    accept = Accept(config.accept)
    if accept is Accept.ID_TOKEN and config.audiences == "any":
        message = "is any, and with accept: id_token the ID tokens of every client of the issuer would pass"
        yield Problem(setting=f"{setting}.audiences", message=message, fix="list your client ids")
    if "token_types" not in given or "accept" in wrong or any(path.startswith("token_types") for path in wrong):
        return
    for number, name in enumerate(config.token_types):
        if kind := states_another_purpose(name, accept):
            message = f"{name!r:.80} is the type of {kind}, which accept: {accept} does not accept"
            yield Problem(setting=f"{setting}.token_types[{number}]", message=message, fix="remove it")


def unused_problems(
    config: IssuerConfig, given: set[str], setting: str, sources: tuple[str, ...], wrong: frozenset[str]
) -> Iterator[Problem]:
    """Yield the settings that have no effect because nothing is fetched."""
    if not (sources or config.has_sessions) or wrong & {*PUBLIC_KEY_SETTINGS, "jwt_plugin"}:
        return  # whether keys are fetched is not known
    unused = config.unused_settings & given & SETTINGS_BY_PRESET[config.preset]
    if "url" in wrong:
        unused -= {"allow_http"}
    if any(path.startswith("sessions") and path.count(".") < 2 for path in wrong):
        unused -= {*GET_SESSION_SETTINGS}
    message = "no keys are fetched" if config.has_sessions else "it is for keys from jwks_url or discovery"
    for name in sorted(unused):
        sessions = ", and no sessions are looked up over HTTP"
        also = sessions if config.has_sessions and name in GET_SESSION_SETTINGS else ""
        yield Problem(setting=f"{setting}.{name}", message=f"has no effect: {message}{also}", fix="remove it")


def fetch_problems(config: IssuerConfig, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
    """Yield what is wrong with the settings of an issuer whose keys are fetched."""
    if config.algorithms and all(name.startswith("HS") for name in config.algorithms):
        message = "lists no algorithm of public keys, and keys by URL are public keys: no token could be verified"
        yield Problem(setting=f"{setting}.algorithms", message=message, fix="list those of the keys, or remove it")
    allow_http = config.allow_http or bool(wrong & {"preset", "allow_http"})
    if config.jwks_url is not None:
        setting_name = f"{setting}.jwks_url"
        yield from url_problems(config.jwks_url, setting_name, allow_http=allow_http, content="keys", fix=_FIX_URL)
    if not config.discovery or wrong & {"preset", "issuer"}:
        return
    if config.issuer is None:
        fix = "set issuer to the exact `iss` of its tokens: the URL of the metadata is derived from it"
        yield Problem(setting=f"{setting}.issuer", message="is missing, and discovery needs it", fix=fix)
        return
    yield from url_problems(config.issuer, f"{setting}.issuer", allow_http=allow_http, content="keys", fix=_FIX_URL)
    if "?" in config.issuer:  # RFC 8414 §2
        yield Problem(setting=f"{setting}.issuer", message="has a query, which no issuer has", fix="remove the query")


def time_problems(config: IssuerConfig, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
    """Yield the contradictions between the times."""
    if "refresh_seconds" in wrong:
        return
    refresh = f"refresh_seconds ({config.refresh_seconds:g})"
    if config.cooldown_seconds > config.refresh_seconds and "cooldown_seconds" not in wrong:
        fix = "make it shorter, or refresh_seconds longer"
        yield Problem(setting=f"{setting}.cooldown_seconds", message=f"is longer than {refresh}", fix=fix)
    if config.max_stale_seconds < config.refresh_seconds and "max_stale_seconds" not in wrong:
        message = f"is shorter than {refresh}: the keys would expire before the next fetch"
        yield Problem(setting=f"{setting}.max_stale_seconds", message=message, fix="make it longer; 86400 is usual")
