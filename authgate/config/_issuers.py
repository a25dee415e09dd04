"""One issuer's settings: its secret read, and what the model cannot judge by itself."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from authgate.authorities import client_context
from authgate.config.model import SECRET_SETTINGS
from authgate.core.errors import Problem, quoted
from authgate.core.urls import url_fault
from authgate.files import MEND_UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.config.model import IssuerConfig

_TIMES = {"refresh_seconds", "cooldown_seconds", "max_stale_seconds"}
_MEND_URL = "write https://host/path, without user or fragment; for plain http add allow_http: true to the issuer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadIssuer:
    """One issuer whose settings are sound by themselves; *secret* None where it has none, a missing one, or a file."""

    config: IssuerConfig
    setting: str
    secret: bytes | None = field(default=None, repr=False)


def read_issuer(
    config: IssuerConfig,
    setting: str,
    environ: Mapping[str, str],
    problems: list[Problem],
    *,
    audiences_needed: bool,
    faulty: set[str],
) -> ReadIssuer:
    """Return the issuer of *config*, which stands at *setting*, and add what is wrong with it to *problems*.

    *faulty* names settings that are wrong by themselves: they were taken out, and nothing is compared with them.
    """
    sources = config.key_settings
    if len(sources) > 1:
        what = f"has {' and '.join(sources)}: one issuer has one source of keys"
        if sources[0] in SECRET_SETTINGS and sources[-1] not in SECRET_SETTINGS:
            what += "; a shared secret and public keys in one set let anybody who has the public key sign"
        problems.append(Problem(setting=setting, what=what, mend="keep one, or make two issuers of it"))
    elif not sources:
        mend = "add secret_file (or secret_env, secret), pem_file, jwks_file, jwks_url or discovery: true"
        problems.append(Problem(setting=setting, what="has no key, so no token could be verified", mend=mend))
    problems.extend(_idle_problems(config, setting))
    if config.by_url:
        problems.extend(_url_problems(config, setting))
        problems.extend(() if faulty & _TIMES else _time_problems(config, setting))
    if audiences_needed and config.audiences is None:
        mend = "list the `aud` values meant for your API, or write audiences: any to accept tokens meant for others too"
        problems.append(Problem(setting=f"{setting}.audiences", what="is missing", mend=mend))
    secret = None
    if len(sources) == 1 and sources[0] in SECRET_SETTINGS:
        secret = _read_secret(config, f"{setting}.{sources[0]}", environ, problems)
    return ReadIssuer(config=config, setting=setting, secret=secret)


def _idle_problems(config: IssuerConfig, setting: str) -> Iterator[Problem]:
    """Yield the settings that mean nothing, because the keys are not fetched."""
    for name in config.idle_settings if config.key_settings else ():
        what = "means nothing: only keys that come by jwks_url or discovery are fetched"
        yield Problem(setting=f"{setting}.{name}", what=what, mend="remove it")


def _url_problems(config: IssuerConfig, setting: str) -> Iterator[Problem]:
    """Yield what is wrong with the settings of an issuer whose keys are fetched."""
    if config.algorithms and all(name.startswith("HS") for name in config.algorithms):
        what = "lists none for public keys, and only those come by URL: nothing could be verified"
        yield Problem(setting=f"{setting}.algorithms", what=what, mend="list those of the keys, or remove it")
    if config.discovery and config.issuer is None:
        mend = "set issuer to the exact `iss` of its tokens, from which the address of the metadata is made"
        yield Problem(setting=f"{setting}.issuer", what="is missing, and discovery begins there", mend=mend)
    name = "issuer" if config.discovery else "jwks_url"
    url = getattr(config, name)
    if url is not None and (fault := url_fault(url, allow_http=config.allow_http)):
        shown = quoted(re.sub(r"(?<=//).*@", "***@", url, flags=re.DOTALL), 200)  # there may be a password in it
        yield Problem(setting=f"{setting}.{name}", what=f"{shown} {fault}", mend=_MEND_URL)
    if config.discovery and "?" in (config.issuer or ""):  # RFC 8414 §2
        yield Problem(setting=f"{setting}.issuer", what="has a query, which no issuer has", mend="remove it")
    if config.ca_file is not None:
        try:
            client_context(config.ca_file)
        except ValueError as error:
            mend = f"write CA certificates in PEM; {MEND_UNREADABLE}"
            yield Problem(setting=f"{setting}.ca_file", what=str(error), mend=mend)


def _time_problems(config: IssuerConfig, setting: str) -> Iterator[Problem]:
    """Yield what does not fit together."""
    if config.cooldown_seconds > config.refresh_seconds:
        what = f"is longer than refresh_seconds ({config.refresh_seconds:g})"
        yield Problem(
            setting=f"{setting}.cooldown_seconds", what=what, mend="make it as short, or refresh_seconds longer"
        )
    if config.max_stale_seconds < config.refresh_seconds:
        what = f"is shorter than refresh_seconds ({config.refresh_seconds:g}): keys would not live from fetch to fetch"
        yield Problem(
            setting=f"{setting}.max_stale_seconds", what=what, mend="make it as long at least; 86400 is usual"
        )


def _read_secret(
    config: IssuerConfig, setting: str, environ: Mapping[str, str], problems: list[Problem]
) -> bytes | None:
    if config.secret is not None:
        return config.secret.get_secret_value().encode("utf-8", "surrogateescape")
    if config.secret_env is not None:
        value = environ.get(config.secret_env)
        if not value:
            what = f"the environment variable {config.secret_env} is {'not set' if value is None else 'empty'}"
            problems.append(Problem(setting=setting, what=what, mend="set it for the AuthGate process"))
            return None
        return os.fsencode(value)
    return None  # the file is read where its keys are made


def clashes(issuers: tuple[ReadIssuer, ...]) -> list[Problem]:
    """Return what keeps a token from having exactly one issuer."""
    problems = []
    for attribute, what in (
        ("name", "two issuers have the name {!r}"),
        ("issuer", "two issuers have the issuer {!r}: their tokens cannot be told apart"),
    ):
        values = [getattr(entry.config, attribute) for entry in issuers]
        for value in dict.fromkeys(value for value in values if values.count(value) > 1):
            text = (
                "two issuers leave out `issuer`: their tokens cannot be told apart"
                if value is None
                else what.format(value)
            )
            problems.append(Problem(setting="issuers", what=text, mend=f"give each its own `{attribute}`"))
    return problems
