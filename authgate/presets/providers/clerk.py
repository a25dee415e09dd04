"""Preset `clerk`: docs/issuers/clerk.md."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from authgate.core.credential import CookiePlace
from authgate.presets.provider import Facts, ProviderIssuer, Texts, provider

_COOKIE = "__session"
_FIX_KEY = "copy the Publishable key from the page API keys of Clerk's dashboard: it begins with pk_live_ or pk_test_"


def _host(key: str) -> str:
    """Return the host in a publishable *key*: base64 of the host and a $ (clerk/javascript, shared/src/keys.ts)."""
    encoded = key.rpartition("_")[2]
    text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode("ascii")
    if not text.endswith("$") or "$" in text[:-1] or "." not in text:
        raise ValueError
    return text[:-1]


def _publishable_key(key: str) -> str:
    if key.startswith("sk_"):  # not quoted: it is a secret
        raise ValueError(f"is a secret key, which AuthGate does not need\n{_FIX_KEY}")
    try:
        known = key.startswith(("pk_live_", "pk_test_")) and key.count("_") == 2 and _host(key)
    except (ValueError, binascii.Error):
        known = False
    if not known:
        raise ValueError(f"is not a publishable key\n{_FIX_KEY}")
    return key


class ClerkIssuer(ProviderIssuer):
    """Session tokens of Clerk, in the cookie __session or in Authorization."""

    asks: ClassVar[tuple[str, ...]] = ("publishable_key", "authorized_parties")

    preset: Literal["clerk"]
    """clerk: the issuer is an application of Clerk."""
    publishable_key: Annotated[
        str, AfterValidator(_publishable_key), Field(examples=["pk_live_Y2xlcmsuZXhhbXBsZS5jb20k"])
    ]
    """The publishable key of the application. It holds the host of `iss`, and the cookie's suffix is made from it."""
    authorized_parties: Annotated[Texts, Field(examples=["https://app.example.com"])]
    """The origins of your pages (claim azp), for example https://app.example.com. A token of another page is
    refused."""

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        url = f"https://{_host(self.publishable_key)}"
        return Facts(
            issuer=url,
            jwks_url=f"{url}/.well-known/jwks.json",
            audiences="any",
            identity={
                "roles": ["metadata.roles", "metadata.role", "roles", "role"],
                "organization": ["o.id", "org_id"],
                "organization_role": ["o.rol", "org_role"],
            },
            claims_if_present={"sts": ("active",)},
            clients=self.authorized_parties,
            client_claims=("azp",),
            clients_setting="authorized_parties",
        )


def _places(config: ClerkIssuer) -> tuple[CookiePlace, ...]:
    digest = base64.urlsafe_b64encode(hashlib.sha1(config.publishable_key.encode(), usedforsecurity=False).digest())
    return CookiePlace(name=f"{_COOKIE}_{digest[:8].decode()}"), CookiePlace(name=_COOKIE)


PRESET = provider(ClerkIssuer, "Clerk", places=_places)
