"""Preset `cloudflare-access`: docs/issuers/cloudflare-access.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field

from authgate.config._outbound import redacted
from authgate.config._types import NonEmpty, one_or_more
from authgate.core.credential import CookiePlace, HeaderPlace
from authgate.core.demands import Demand, Form, has
from authgate.presets.provider import Facts, ProviderIssuer, provider
from authgate.presets.settings import Audiences

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOMAIN = ".cloudflareaccess.com"
_TEAM = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_AUD_TAG = re.compile(r"[0-9a-f]{64}")
# Cloudflare makes the id of a service token, so it is never the ID of a user, which is a UUID.
_SERVICE_TOKEN = Form(r"[0-9a-f]{32}\.access", "the client ID of a service token")
_USER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def _team(text: str) -> str:
    team = text.lower()
    if _TEAM.fullmatch(team):
        return team
    name, found, _ = re.sub(r"^https?://", "", team).partition(_DOMAIN)
    fix = f"write {name}" if found and _TEAM.fullmatch(name) else f"write what is before {_DOMAIN}"
    raise ValueError(f"{redacted(text)} is not the name of a team\n{fix}: Zero Trust, Settings, Team name")


def _certificate(name: str) -> str:
    for pattern, whose in ((_USER.pattern, "a user"), (_SERVICE_TOKEN.pattern, "a service token")):
        if re.fullmatch(pattern, name, re.IGNORECASE):
            raise ValueError(f"{redacted(name)} is the id of {whose}\nlist the common names of certificates")
    return name


CommonName: TypeAlias = Annotated[NonEmpty, AfterValidator(_certificate)]


class CloudflareAccessIssuer(ProviderIssuer):
    """Tokens of Cloudflare Access, in the header Cf-Access-Jwt-Assertion or the cookie CF_Authorization."""

    asks: ClassVar[tuple[str, ...]] = ("team", "audiences")
    issuer_settings: ClassVar[tuple[str, ...]] = ("team",)
    audiences_fix: ClassVar[str] = "list the Application Audience (AUD) Tag of each of your applications"

    preset: Literal["cloudflare-access"]
    """cloudflare-access: the issuer is Cloudflare Access."""
    team: Annotated[str, AfterValidator(_team), Field(examples=["acme"])]
    """The name of your team: what is before .cloudflareaccess.com."""
    audiences: Annotated[
        Audiences | None, Field(examples=["32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228"])
    ] = None
    """The Application Audience (AUD) Tags of your applications. A token must have one of them in `aud`."""
    certificates: Annotated[list[CommonName], one_or_more(str), Field(min_length=1, max_length=100)] | None = None
    """The common names of the client certificates (mutual TLS) that pass without a user. Each becomes the id of a user.
    Default: none. Your certificate authority decides who gets a certificate with such a name."""

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        url = f"https://{self.team}{_DOMAIN}"
        return Facts(
            issuer=url,
            jwks_url=f"{url}/cdn-cgi/access/certs",  # application tokens have no metadata
            # The token of a service has an empty `sub`.
            identity={"subject": ["sub", "common_name"], "roles": ["custom.roles", "custom.groups"]},
            # The same keys sign tokens for the whole organization: type org.
            demands=(has("type", accepted=("app",)), self._names()),
        )

    def _names(self) -> Demand:
        """Return the accepted names of what is not a user. The owner of a certificate may have chosen its name."""
        return Demand(
            paths=(("common_name",),),
            accepted=tuple(self.certificates or ()),
            form=_SERVICE_TOKEN,
            setting="certificates",
            optional=True,
            unless=("sub",),
            fixed=True,
        )

    def advice(self) -> Iterator[str]:
        """Yield the audiences that cannot be right."""
        for audience in self.audiences if isinstance(self.audiences, list) else ():
            if not _AUD_TAG.fullmatch(audience):
                yield f"audiences: {redacted(audience)} is not an AUD tag, which has 64 hexadecimal digits"


def _places(_config: CloudflareAccessIssuer) -> tuple[HeaderPlace, CookiePlace]:
    return HeaderPlace(name="Cf-Access-Jwt-Assertion"), CookiePlace(name="CF_Authorization")


PRESET = provider(CloudflareAccessIssuer, "Cloudflare Access", places=_places)
