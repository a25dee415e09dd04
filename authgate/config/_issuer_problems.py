"""Check one issuer's settings beyond what the model checks by itself.

Every check takes *wrong*, the names of the settings that are wrong by themselves, and skips what depends on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.config._outbound import redacted, url_problems
from authgate.core.errors import Problem
from authgate.files import shown_path
from authgate.presets.settings import (
    GET_SESSION_SETTINGS,
    PUBLIC_KEY_SETTINGS,
    SECRET_SETTINGS,
    JwtSettings,
    SessionSettings,
    is_loopback,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.presets.settings import IssuerSettings

_FIX_BASE_URL = "write the front end's URL, such as https://app.example.com; for plain http add allow_http: true"
_FIX_URL = "write https://host/path, without user and fragment; for plain http add allow_http: true to the issuer"


def base_url_problems(config: IssuerSettings, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
    """Yield what is wrong with the URL of the front end."""
    if not isinstance(config, SessionSettings) or any(path.startswith("url") for path in wrong):
        return
    is_asked = config.may_ask_over_http and not wrong & {"preset", "allow_http"}
    for position, url in enumerate(config.urls):
        allow_http = not is_asked or bool(config.given("allow_http")) or is_loopback(url)
        where = f"{setting}.url" if isinstance(config.url, str) else f"{setting}.url[{position}]"
        if several := _several_hosts(url):
            yield Problem(setting=where, message=f"{redacted(url, 200)} is not one URL", fix=several)
            continue
        yield from url_problems(url, where, allow_http=allow_http, content="keys and sessions", fix=_FIX_BASE_URL)
        if "?" in url:
            message = f"{redacted(url, 200)} has a query, which a base URL cannot have"
            yield Problem(setting=where, message=message, fix="remove the query")


def _several_hosts(url: str) -> str:
    """Return how to write the hosts that *url* means, if it means several; else ""."""
    if "*" in url:
        return "list the URL of each host"
    return "write a list, [https://a.example.com, https://b.example.com]" if "," in url else ""


def given_sources(config: IssuerSettings, wrong: frozenset[str]) -> tuple[str, ...]:
    """Return the settings of keys that the operator wrote, right or wrong: first those of secrets."""
    names = {*config.secret_settings, *config.key_settings} | (wrong - {"discovery"})
    public = (name for name in PUBLIC_KEY_SETTINGS if config.takes(name))
    return tuple(name for name in (*SECRET_SETTINGS, *public) if name in names)


def _public(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name not in SECRET_SETTINGS]


def may_lack_secret(config: IssuerSettings, sources: tuple[str, ...], wrong: frozenset[str]) -> bool:
    """Whether *config* has no secret, and accepts JWTs alone. Right only after `with_defaults`."""
    has_secret = any(name in SECRET_SETTINGS for name in sources)
    has_keys = bool(config.key_settings or _public(sources) or "url" in wrong)
    return bool(config.only_with_secret) and not has_secret and has_keys


def source_problems(
    config: IssuerSettings, setting: str, sources: tuple[str, ...], wrong: frozenset[str]
) -> Iterator[Problem]:
    """Yield what is wrong with the number of secrets and of sources of keys."""
    secrets = [name for name in sources if name in SECRET_SETTINGS]
    public = _public(sources)
    has_keys = sources or config.key_settings or config.has_sessions
    if not has_keys and wrong.isdisjoint({"preset", "discovery"}):
        fix = "add secret_file (or secret_env, secret), pem_file, jwks_file, jwks_url or discovery: true"
        yield Problem(setting=setting, message="has no key, so no token could be verified", fix=fix)
    elif config.has_sessions and not secrets and not may_lack_secret(config, sources, wrong):
        names = ", ".join(name for name in SECRET_SETTINGS if config.takes(name))
        fix = f"set one of {names} to the front end's secret"
        fix += "; or set url or jwks_url, to accept its JWTs alone" if config.only_with_secret else ""
        yield Problem(setting=setting, message="has no secret", fix=fix)
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


def issuer_problems(config: IssuerSettings, setting: str, sources: tuple[str, ...]) -> Iterator[Problem]:
    """Yield the problem of an issuer of session cookies whose JWTs could be anybody's."""
    if not config.has_sessions or not isinstance(config, JwtSettings):
        return
    if config.issuer is None and (config.key_settings or _public(sources)):
        message = "is missing: these keys would verify JWTs of any issuer"
        fix = "set url, or set issuer to the exact `iss` of the JWTs"
        yield Problem(setting=f"{setting}.issuer", message=message, fix=fix)


def cookie_problems(config: IssuerSettings, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
    """Yield what is wrong with the names of the session cookies."""
    if not isinstance(config, SessionSettings) or config.cookies is None:
        return
    if config.cookies.session_token is None and "cookies.session_token" not in wrong:
        fix = "add it, or remove the group"
        yield Problem(setting=f"{setting}.cookies", message="has no session_token", fix=fix)


def audience_problems(
    config: IssuerSettings, setting: str, sources: tuple[str, ...], wrong: frozenset[str]
) -> Iterator[Problem]:
    """Yield what is wrong with `audiences` of an issuer in a file: they are missing, or list the word any."""
    if not isinstance(config, JwtSettings):
        return
    if config.audiences != "any" and "any" in (config.audiences or ()):
        message = "lists any, which would be the name of one audience"
        fix = "list the `aud` values of your API's tokens; or write audiences: any, without brackets"
        yield Problem(setting=f"{setting}.audiences", message=message, fix=fix)
    may_follow = not wrong.isdisjoint(config.own_settings())  # from a setting that is wrong
    if (
        config.audiences is None
        and not may_follow
        and (config.key_settings or _public(sources) or not config.has_sessions)
    ):
        yield Problem(setting=f"{setting}.audiences", message="is missing", fix=config.audiences_fix)


def unused_problems(
    config: IssuerSettings, given: set[str], setting: str, sources: tuple[str, ...], wrong: frozenset[str]
) -> Iterator[Problem]:
    """Yield the settings that have no effect because nothing is fetched."""
    if not (sources or config.key_settings or config.has_sessions) or wrong & {*PUBLIC_KEY_SETTINGS, "jwt_plugin"}:
        return  # whether keys are fetched is not known
    unused = {name for name in config.unused_settings & given if config.takes(name)}
    if "url" in wrong:
        unused -= {"allow_http"}
    if any(path.startswith("sessions") and path.count(".") < 2 for path in wrong):
        unused -= {*GET_SESSION_SETTINGS}
    if not may_lack_secret(config, sources, wrong):
        unused -= config.only_with_secret
    message = "no keys are fetched" if config.has_sessions else "it is for keys from jwks_url or discovery"
    for name in sorted(unused & config.only_with_secret):
        fix = "remove it, or set the front end's secret"
        yield Problem(setting=f"{setting}.{name}", message="has no effect: there is no secret", fix=fix)
    for name in sorted(unused - config.only_with_secret):
        sessions = ", and no sessions are looked up over HTTP"
        also = sessions if config.has_sessions and name in GET_SESSION_SETTINGS else ""
        yield Problem(setting=f"{setting}.{name}", message=f"has no effect: {message}{also}", fix="remove it")


def fetch_problems(config: JwtSettings, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
    """Yield what is wrong with the settings of an issuer whose keys are fetched."""
    if config.algorithms and all(name.startswith("HS") for name in config.algorithms):
        message = "lists no algorithm of public keys, and keys by URL are public keys: no token could be verified"
        yield Problem(setting=f"{setting}.algorithms", message=message, fix="list those of the keys, or remove it")
    allow_http = config.allow_http or bool(wrong & {"preset", "allow_http"})
    if config.jwks_url is not None:
        setting_name = f"{setting}.jwks_url"
        yield from url_problems(config.jwks_url, setting_name, allow_http=allow_http, content="keys", fix=_FIX_URL)
        yield from _token_problems(config, config.jwks_url, setting)
    if not config.given("discovery") or wrong & {"preset", "issuer"}:
        return
    if config.issuer is None:
        fix = "set issuer to the exact `iss` of its tokens: the URL of the metadata is derived from it"
        yield Problem(setting=f"{setting}.issuer", message="is missing, and discovery needs it", fix=fix)
        return
    where = f"{setting}.{config.issuer_settings[0]}"
    yield from url_problems(config.issuer, where, allow_http=allow_http, content="keys", fix=_FIX_URL)
    yield from _token_problems(config, config.issuer, setting)
    if "?" in config.issuer:  # RFC 8414 §2
        yield Problem(setting=where, message="has a query, which no issuer has", fix="remove the query")


def _token_problems(config: JwtSettings, url: str, setting: str) -> Iterator[Problem]:
    """Yield what is wrong with the file of the token for *url*. Only a fetch reads it: its token changes."""
    path = config.jwks_token_file
    if path is None:
        return
    setting = f"{setting}.jwks_token_file"
    if shown_path(path) != path:
        message = "is not a path; it is not shown, because it may be the token itself"
        yield Problem(setting=setting, message=message, fix="write the path of the file that holds the token")
    if url.lower().startswith("http:") and (config.outbound_proxy is not None or not is_loopback(url)):
        message = f"would be sent in clear to {redacted(url, 200)}: anyone on the network path could read the token"
        yield Problem(setting=setting, message=message, fix="use https for the URL of the keys")


def time_problems(config: JwtSettings, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
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
