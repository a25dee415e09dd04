"""Preset `cloudflare-access`: docs/issuers/cloudflare-access.md."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from authgate.core.credential import CookiePlace, HeaderPlace
from authgate.presets.provider import Facts, ProviderIssuer, matching, provider

_TEAM = matching(
    r"(?!-)[a-z0-9-]{1,63}(?<!-)",
    "the name of a team",
    "write the part before .cloudflareaccess.com: Zero Trust, Settings, Team name",
)


class CloudflareAccessIssuer(ProviderIssuer):
    """Tokens of Cloudflare Access, in the header Cf-Access-Jwt-Assertion or the cookie CF_Authorization."""

    asks: ClassVar[tuple[str, ...]] = ("team", "audiences")
    audiences_fix: ClassVar[str] = "list the Application Audience (AUD) Tag of each of your applications"

    preset: Literal["cloudflare-access"]
    """cloudflare-access: the issuer is Cloudflare Access."""
    team: Annotated[str, _TEAM, Field(examples=["acme"])]
    """The name of your team: what is before .cloudflareaccess.com."""

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        url = f"https://{self.team}.cloudflareaccess.com"
        return Facts(
            issuer=url,
            jwks_url=f"{url}/cdn-cgi/access/certs",
            # A service token has an empty `sub`; its client id is the common name.
            identity={"subject": ["sub", "common_name"], "roles": ["custom.roles", "custom.groups"]},
            # The same keys sign tokens for the whole organization: type org.
            claims={"type": ("app",)},
        )


def _places(_config: CloudflareAccessIssuer) -> tuple[HeaderPlace, CookiePlace]:
    return HeaderPlace(name="Cf-Access-Jwt-Assertion"), CookiePlace(name="CF_Authorization")


PRESET = provider(CloudflareAccessIssuer, "Cloudflare Access", places=_places)
