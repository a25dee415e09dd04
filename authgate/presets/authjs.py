"""Preset `authjs`: session cookies of Auth.js v5. docs/formats/authjs.md."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from authgate.config._types import NonEmpty
from authgate.core.credential import SessionPlace
from authgate.presets.preset import LoadedIssuer, Preset, Raw, Variables, accepted_sessions, secret_in
from authgate.presets.settings import SessionSettings
from authgate.sessions.layouts import AUTH_JS, AUTH_JS_SNAKE_CASE
from authgate.tokens import FORMATS, derived
from authgate.tokens.authjs import database
from authgate.tokens.authjs.session import SESSION_PART

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate.core.snapshot import Issuer, TokenFormat

_COOKIE_FORMAT = FORMATS["authjs-session"]
STORES = ("postgres",)
LAYOUTS = (AUTH_JS, AUTH_JS_SNAKE_CASE)


class AuthjsIssuer(SessionSettings):
    """Session cookies of Auth.js v5. Give exactly one of the secrets."""

    cookie: ClassVar[str] = "authjs.session-token"

    preset: Literal["authjs"]
    """authjs: the issuer makes session cookies of Auth.js v5."""
    url: NonEmpty | None = None
    """The base URL of the front end, as browsers see it. https means that its cookies begin with `__Secure-`."""


def _from_environment(environ: Mapping[str, str]) -> Raw | None:
    variables = [name for name in _SECRETS if environ.get(name)]
    if not variables:
        return None
    raw: Raw = {"name": "authjs", "preset": "authjs"}
    values = [environ[name] for name in variables if not name.endswith("_FILE")]
    if len(values) > 1:  # the first, with the highest number, encrypts (lib/utils/env.js)
        raw["secrets"] = values
    else:
        raw |= secret_in(variables[0], environ)
    url = environ.get("AUTH_URL")
    return raw | ({"url": url} if url else {})


def formats(cookie_format: TokenFormat, loaded: LoadedIssuer) -> tuple[TokenFormat, ...]:
    """Return *cookie_format*, and with a session store the format of the database strategy."""
    return (cookie_format, *((FORMATS["authjs-database"],) if loaded.store is not None else ()))


def places(config: SessionSettings) -> tuple[SessionPlace, ...]:
    """Return the session cookies of *config*. A long one is sent in chunks."""
    return tuple(
        SessionPlace(issuer_name=config.name, part=SESSION_PART, name=name, chunked=True)
        for name in config.cookie_names()
    )


def announcement(library: str, issuer: Issuer, loaded: LoadedIssuer) -> str:
    """Return what *issuer*, made from *loaded*, reads of *library* and what it does not."""
    if loaded.sessions is None:
        return ""
    if loaded.sessions.sessions is not None and loaded.sessions.sessions.check == "never":
        opaque = "opaque session cookies cannot be checked: sessions.check is never"
    elif loaded.store is None:
        opaque = "opaque session cookies (database strategy) cannot be checked: set `sessions.postgres`"
    else:
        opaque = f"opaque session cookies (database strategy) are looked up in {loaded.store.where}"
    return f"{accepted_sessions(library, issuer, loaded.sessions)}; {opaque}"


_NUMBERED = ("AUTH_SECRET_3", "AUTH_SECRET_2", "AUTH_SECRET_1", "AUTH_SECRET")
_SECRETS = (*_NUMBERED, "AUTH_SECRET_FILE")

PRESET = Preset(
    settings=AuthjsIssuer,
    variables=Variables(
        usual="AUTH_SECRET",
        secrets=_SECRETS,
        issuer=_from_environment,
        urls=("AUTH_URL",),
        rivals=tuple((name, "AUTH_SECRET_FILE") for name in _NUMBERED),
    ),
    library="Auth.js v5",
    cookie_format=_COOKIE_FORMAT,
    session_keys=derived.authjs,
    formats=partial(formats, _COOKIE_FORMAT),
    announcement=partial(announcement, "Auth.js"),
    places=places,
    stores=STORES,
    layouts=LAYOUTS,
    read_rows=database.read,
    row_format=database.AuthjsDatabase.name,
)
