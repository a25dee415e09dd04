"""One issuer's settings: its secrets read, and what the model cannot judge by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authgate.config import _secrets
from authgate.config._outbound import ca_file_problems, endpoint_fault, shown
from authgate.config.issuer_model import GET_SESSION_SETTINGS, SECRET_SETTINGS, SETTINGS_BY_PRESET
from authgate.config.preset_defaults import cookie_names, is_loopback, with_defaults
from authgate.config.read_store import LoadedStore, read_store
from authgate.core.errors import Problem
from authgate.core.urls import url_fault
from authgate.tokens import derived
from authgate.tokens.jwk import BadKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.config.issuer_model import IssuerConfig

_TIMES = {"refresh_seconds", "cooldown_seconds", "max_stale_seconds"}
_SAY_WHAT_IS_IDLE = {"url", "sessions", "jwt_plugin"}
# In the place of a `url` that is told of: what would be made of the bad one (addresses of keys and sessions, names of
# cookies) would be wrong in the same way, and told of once more for each.
_STAND_IN = "https://told-once.invalid"
_MEND_BASE = "write the front end's address, as https://app.example.com; for plain http inside add allow_http: true"
_MEND_URL = "write https://host/path, without user or fragment; for plain http add allow_http: true to the issuer"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedIssuer:
    """One issuer whose settings are sound by themselves, what its preset implies filled in.

    *secrets* is empty where it has none, a missing one, or a file that is read where keys are made. *store* is its
    session store, None where it has none.
    """

    config: IssuerConfig
    setting: str
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    store: LoadedStore | None = None

    @property
    def accepts_jwts(self) -> bool:
        """Whether JWTs may be of this issuer, so that their `iss` has to tell it from others."""
        return bool(self.config.key_settings)


def read_issuer(
    config: IssuerConfig,
    setting: str,
    environ: Mapping[str, str],
    problems: list[Problem],
    *,
    audiences_needed: bool,
    faulty: set[str],
) -> LoadedIssuer:
    """Return the issuer of *config*, which stands at *setting*, and add what is wrong with it to *problems*.

    *faulty* names settings that are wrong by themselves: they were taken out, and nothing is compared with them.
    """
    if "preset" in faulty:  # what its settings mean is not known: to judge them by another would tell to remove them
        return LoadedIssuer(config=config, setting=setting, secrets=_read_secrets(config, setting, environ, problems))
    given = config.model_fields_set
    problems.extend(_foreign_problems(config, setting))
    if config.url is not None and (fault := _base_fault(config, config.url)):
        problems.append(Problem(setting=f"{setting}.url", message=f"{shown(config.url)} {fault}", fix=_MEND_BASE))
        config = config.model_copy(update={"url": _STAND_IN})
    config = with_defaults(config)
    problems.extend(_source_problems(config, setting))
    problems.extend(() if faulty & _SAY_WHAT_IS_IDLE else _idle_problems(config, given, setting))
    if config.fetches_keys:
        problems.extend(_url_problems(config, setting))
        problems.extend(() if faulty & _TIMES else _time_problems(config, setting))
    if "ca_file" not in config.unused_settings:
        problems.extend(ca_file_problems(config.ca_file, f"{setting}.ca_file"))
    if audiences_needed and config.audiences is None and (config.key_settings or not config.has_sessions):
        fix = "list the `aud` values meant for your API, or write audiences: any to accept tokens meant for others too"
        problems.append(Problem(setting=f"{setting}.audiences", message="is missing", fix=fix))
    return LoadedIssuer(
        config=config,
        setting=setting,
        secrets=_read_secrets(config, setting, environ, problems),
        store=read_store(config, f"{setting}.sessions", environ, problems),
    )


def _base_fault(config: IssuerConfig, url: str) -> str | None:
    """Return why *url* cannot be the base URL of a front end, None if it can."""
    asks_there = config.preset == "better-auth" and not config.allow_http and not is_loopback(url)
    if fault := endpoint_fault(url, allow_http=not asks_there, told="keys and sessions"):
        return "is not an http or https URL" if fault == "is not an https URL" else fault
    return "has a query, which no base URL has" if "?" in url else None


def _foreign_problems(config: IssuerConfig, setting: str) -> Iterator[Problem]:
    """Yield the settings that mean nothing for an issuer of this preset."""
    for name in sorted(config.model_fields_set - SETTINGS_BY_PRESET[config.preset]):
        known = ", ".join(preset for preset, names in SETTINGS_BY_PRESET.items() if name in names)
        message = f"means nothing with preset {config.preset}"
        yield Problem(setting=f"{setting}.{name}", message=message, fix=f"remove it; it is for {known}")


def _source_problems(config: IssuerConfig, setting: str) -> Iterator[Problem]:
    """Yield what is wrong with where the keys come from."""
    if config.has_sessions:
        yield from _session_secret_problems(config, setting)
        return
    sources = config.key_settings
    if len(sources) > 1:
        message = f"has {' and '.join(sources)}: one issuer has one source of keys"
        if sources[0] in SECRET_SETTINGS and sources[-1] not in SECRET_SETTINGS:
            message += "; a shared secret and public keys in one set let anybody who has the public key sign"
        yield Problem(setting=setting, message=message, fix="keep one, or make two issuers of it")
    elif not sources:
        fix = "add secret_file (or secret_env, secret), pem_file, jwks_file, jwks_url or discovery: true"
        yield Problem(setting=setting, message="has no key, so no token could be verified", fix=fix)


def _session_secret_problems(config: IssuerConfig, setting: str) -> Iterator[Problem]:
    given = config.secret_settings
    names = ", ".join(name for name in SECRET_SETTINGS if name in SETTINGS_BY_PRESET[config.preset])
    if len(given) != 1:
        message = f"has {' and '.join(given)}: there is one setting of secrets" if given else "has no secret"
        yield Problem(setting=setting, message=message, fix=f"give one of {names}: what the front end has")
    if len(config.key_settings) > 1:
        message = f"has {' and '.join(config.key_settings)}: its JWTs have one source of keys"
        yield Problem(setting=setting, message=message, fix="keep one")
    if config.key_settings and config.issuer is None:
        message = "is missing: JWTs by these keys could be of anybody"
        yield Problem(
            setting=f"{setting}.issuer", message=message, fix="set url, or issuer to the exact `iss` of the JWTs"
        )
    cookies = config.cookies
    if cookies is not None and cookies.session_token is None:
        yield Problem(setting=f"{setting}.cookies", message="names no session_token", fix="add it, or remove the group")
    elif cookies is not None and config.preset != "better-auth" and cookies.session_data is not None:
        message = f"means nothing with preset {config.preset}"
        yield Problem(setting=f"{setting}.cookies.session_data", message=message, fix="remove it")
    elif (
        cookies is not None
        and config.preset == "better-auth"
        and cookies.session_data is None
        and not (cookies.session_token or "").endswith("session_token")
    ):
        message = "is missing, and cannot be made of session_token, which does not end in that word"
        yield Problem(
            setting=f"{setting}.cookies.session_data", message=message, fix="name the cookie of the cookie cache"
        )
    if config.bearer != "none" and (config.sessions is None or config.sessions.check == "never"):
        message = f"is {config.bearer}, and without a session store nobody knows whose token it is"
        fix = "set url, or sessions" if config.sessions is None else "set sessions.check to fallback or always"
        yield Problem(setting=f"{setting}.bearer", message=message, fix=f"{fix}; or remove it")


def _idle_problems(config: IssuerConfig, given: set[str], setting: str) -> Iterator[Problem]:
    """Yield those of the settings *given* that mean nothing, because nobody is asked for keys (or sessions) by URL."""
    if not config.key_settings and not config.has_sessions:
        return  # that it has no key is told
    message = "only keys that come by jwks_url or discovery are fetched"
    if config.has_sessions:
        message = "no keys are fetched"
    for name in sorted(config.unused_settings & given & SETTINGS_BY_PRESET[config.preset]):
        also = ", nor are sessions asked for by http" if config.has_sessions and name in GET_SESSION_SETTINGS else ""
        yield Problem(setting=f"{setting}.{name}", message=f"means nothing: {message}{also}", fix="remove it")


def _url_problems(config: IssuerConfig, setting: str) -> Iterator[Problem]:
    """Yield what is wrong with the settings of an issuer whose keys are fetched."""
    if config.algorithms and all(name.startswith("HS") for name in config.algorithms):
        message = "lists none for public keys, and only those come by URL: nothing could be verified"
        yield Problem(setting=f"{setting}.algorithms", message=message, fix="list those of the keys, or remove it")
    if config.discovery and config.issuer is None:
        fix = "set issuer to the exact `iss` of its tokens, from which the address of the metadata is made"
        yield Problem(setting=f"{setting}.issuer", message="is missing, and discovery begins there", fix=fix)
    name = "issuer" if config.discovery else "jwks_url"
    url = getattr(config, name)
    if url is not None and (fault := url_fault(url, allow_http=config.allow_http)):
        yield Problem(setting=f"{setting}.{name}", message=f"{shown(url)} {fault}", fix=_MEND_URL)
    if config.discovery and "?" in (config.issuer or ""):  # RFC 8414 §2
        yield Problem(setting=f"{setting}.issuer", message="has a query, which no issuer has", fix="remove it")


def _time_problems(config: IssuerConfig, setting: str) -> Iterator[Problem]:
    """Yield what does not fit together."""
    if config.cooldown_seconds > config.refresh_seconds:
        message = f"is longer than refresh_seconds ({config.refresh_seconds:g})"
        yield Problem(
            setting=f"{setting}.cooldown_seconds", message=message, fix="make it as short, or refresh_seconds longer"
        )
    if config.max_stale_seconds < config.refresh_seconds:
        message = (
            f"is shorter than refresh_seconds ({config.refresh_seconds:g}): keys would not live from fetch to fetch"
        )
        yield Problem(
            setting=f"{setting}.max_stale_seconds", message=message, fix="make it as long at least; 86400 is usual"
        )


def _read_secrets(
    config: IssuerConfig, setting: str, environ: Mapping[str, str], problems: list[Problem]
) -> tuple[bytes, ...]:
    """Return the secrets of *config*; none where they are in a file: it is read where its keys are made."""
    given = config.secret_settings
    if len(given) != 1 or (not config.has_sessions and len(config.key_settings) != 1):
        return ()
    written = config.secrets or [] if config.secret is None else [config.secret]
    if written:
        return tuple(_secrets.as_bytes(secret) for secret in written)
    variable = config.secret_env or config.secrets_env
    value = variable and _secrets.from_variable(variable, f"{setting}.{given[0]}", environ, problems)
    if not value:
        return ()
    if config.secrets_env is None:
        return (value,)
    try:
        return derived.parse_versioned(value)
    except BadKey as error:
        fix = "write it as BETTER_AUTH_SECRETS is written for Better Auth"
        problems.append(Problem(setting=f"{setting}.secrets_env ({config.secrets_env})", message=str(error), fix=fix))
        return ()


def clashes(issuers: tuple[LoadedIssuer, ...]) -> list[Problem]:
    """Return what keeps a token from having exactly one issuer."""
    problems = []
    for attribute, message in (
        ("name", "two issuers have the name {!r}"),
        ("issuer", "two issuers have the issuer {!r}: their tokens cannot be told apart"),
    ):
        values = [getattr(entry.config, attribute) for entry in issuers if attribute == "name" or entry.accepts_jwts]
        for value in dict.fromkeys(value for value in values if values.count(value) > 1):
            text = (
                "two issuers leave out `issuer`: their tokens cannot be told apart"
                if value is None
                else message.format(value)
            )
            problems.append(Problem(setting="issuers", message=text, fix=f"give each its own `{attribute}`"))
    return problems + _cookie_clashes(issuers)


def _cookie_clashes(issuers: tuple[LoadedIssuer, ...]) -> list[Problem]:
    """Return what keeps a session cookie from having exactly one issuer."""
    owners: dict[str, str] = {}
    problems = []
    for entry in issuers:
        for names in cookie_names(entry.config) if entry.config.has_sessions else ():
            for name in {names.session_token, names.session_data} - {None}:
                other = owners.setdefault(str(name), entry.config.name)
                if other != entry.config.name:
                    message = f"issuers {other} and {entry.config.name} both read the cookie {name}"
                    problems.append(Problem(setting="issuers", message=message, fix="give one of them other `cookies`"))
    raw = [entry.config.name for entry in issuers if entry.config.bearer != "none"]
    if len(raw) > 1:
        message = f"issuers {' and '.join(raw)} both take session tokens in Authorization, which cannot be told apart"
        problems.append(Problem(setting="issuers", message=message, fix="set bearer: none for all but one"))
    return problems
