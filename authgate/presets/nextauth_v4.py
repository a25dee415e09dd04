"""Preset `nextauth-v4`: session cookies of NextAuth v4. docs/formats/authjs.md."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from authgate.config._types import NonEmpty
from authgate.presets import authjs
from authgate.presets.preset import Preset, Raw, Variables, secret_in
from authgate.presets.settings import SessionSettings
from authgate.tokens import derived
from authgate.tokens.authjs import database
from authgate.tokens.authjs.nextauth_v4 import NEXTAUTH_V4

if TYPE_CHECKING:
    from collections.abc import Mapping


class NextAuthIssuer(SessionSettings):
    """Session cookies of NextAuth v4. Give exactly one of the secrets."""

    cookie: ClassVar[str] = "next-auth.session-token"

    preset: Literal["nextauth-v4"]
    """nextauth-v4: the issuer makes session cookies of NextAuth v4."""
    url: NonEmpty | None = None
    """The base URL of the front end, as browsers see it. https means that its cookies begin with `__Secure-`."""


def _from_environment(environ: Mapping[str, str]) -> Raw | None:
    variable = next((name for name in _SECRETS if environ.get(name)), None)
    if variable is None:
        return None
    url = environ.get("NEXTAUTH_URL")
    raw = {"name": "nextauth-v4", "preset": "nextauth-v4", **secret_in(variable, environ)}
    return raw | ({"url": url} if url else {})


_SECRETS = ("NEXTAUTH_SECRET", "NEXTAUTH_SECRET_FILE")

PRESET = Preset(
    settings=NextAuthIssuer,
    variables=Variables(
        usual="NEXTAUTH_SECRET",
        secrets=_SECRETS,
        issuer=_from_environment,
        urls=("NEXTAUTH_URL",),
        rivals=(_SECRETS,),
        prefix="NEXTAUTH_",
    ),
    formats=partial(authjs.formats, NEXTAUTH_V4),
    library="NextAuth v4",
    cookie_format=NEXTAUTH_V4,
    session_keys=derived.nextauth_v4,
    announcement=partial(authjs.announcement, "NextAuth"),
    places=authjs.places,
    stores=authjs.STORES,
    layouts=authjs.LAYOUTS,
    read_rows=database.read,
    row_format=database.AuthjsDatabase.name,
)
