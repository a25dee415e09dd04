"""Preset `clerk`: docs/issuers/clerk.md."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field

from authgate.config._types import one_or_more
from authgate.core.credential import CookiePlace
from authgate.core.demands import Traits, has, lacks, lists, may_have
from authgate.presets.other_kinds import OtherKind
from authgate.presets.provider import Facts, ProviderIssuer, matching, provider

_COOKIE = "__session"
_FIX_KEY = "copy the Publishable key from the page API keys of Clerk's dashboard: it begins with pk_live_ or pk_test_"

# What browsers send as Origin, extensions of browsers included.
_ORIGIN = matching(
    r"[a-z][a-z0-9+.-]*://[a-z0-9.-]+(?::\d{1,5})?",
    "an origin",
    "write scheme://host or scheme://host:port in lower case, without a path, like https://app.example.com",
)
Origins: TypeAlias = Annotated[list[Annotated[str, _ORIGIN]], one_or_more(str), Field(min_length=1, max_length=100)]

_OTHER_KINDS = (
    OtherKind(
        claims={"sid": ""},
        sentence="The token belongs to no session. Clerk makes such tokens from a JWT template, for machines and for "
        "OAuth applications. Send the result of `await getToken()`, without a template.",
    ),
)


def _host(key: str) -> str:
    """Return the host in a publishable *key*: base64 of the host and a $ (clerk/javascript, shared/src/keys.ts)."""
    encoded = key.rpartition("_")[2]
    text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode("ascii")
    if not re.fullmatch(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+\$", text):
        raise ValueError
    return text[:-1]


def _publishable_key(key: str) -> str:
    try:
        known = re.fullmatch(r"pk_(?:live|test)_[^_]+", key) is not None and bool(_host(key))
    except (ValueError, binascii.Error):
        known = False
    if not known:  # not quoted: it may be a secret
        raise ValueError(f"is not a publishable key\n{_FIX_KEY}")
    return key


class ClerkIssuer(ProviderIssuer):
    """Session tokens of Clerk, in the cookie __session or in Authorization."""

    asks: ClassVar[tuple[str, ...]] = ("publishable_key", "authorized_parties")
    issuer_settings: ClassVar[tuple[str, ...]] = ("publishable_key",)
    jwt_fix: ClassVar[str] = (
        "Send the result of `await getToken()`. Only Clerk's API can verify tokens that begin with oat_, mt_ or ak_."
    )

    preset: Literal["clerk"]
    """clerk: the issuer is an application of Clerk."""
    publishable_key: Annotated[
        str, AfterValidator(_publishable_key), Field(examples=["pk_live_Y2xlcmsuZXhhbXBsZS5jb20k"])
    ]
    """The publishable key of the application. It holds the host of `iss`, and the cookie's suffix is made from it."""
    authorized_parties: Annotated[Origins, Field(examples=["https://app.example.com"])]
    """The origins of your pages (claim azp), for example https://app.example.com. A token of another page is
    refused."""
    absent_azp: Literal["refuse", "allow"] = "refuse"
    """Whether to accept tokens without azp. Clerk writes none if the browser sent no Origin, and in tokens that your
    server asked for. Allow them if no other application on your domain could plant its cookie."""

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        url = f"https://{_host(self.publishable_key)}"
        return Facts(
            issuer=url,
            jwks_url=f"{url}/.well-known/jwks.json",
            audiences="any",  # session tokens have none
            algorithms=["RS256"],
            identity={
                "roles": ["metadata.roles", "metadata.role", "roles", "role"],
                # Version 2 of the claims, then version 1.
                "organization": ["o.id", "org_id"],
                "organization_role": ["o.rol", "org_role"],
            },
            demands=(
                has("sid"),  # only session tokens have it; tokens of JWT templates outlive their session
                # A pending session has tasks left, such as a second factor. Clerk's own libraries take it for signed
                # out.
                may_have("sts", ("active",)),
                lists(
                    *("authorized_parties", "azp"),
                    accepted=self.authorized_parties,
                    optional=self.absent_azp == "allow",
                    names_client=True,
                ),
                lacks("client_id"),  # OAuth applications of others get tokens under the same key
            ),
            traits=Traits(no_if_absent=("impersonated_by",)),
            user_claims=("unsafe_metadata",),
            other_kinds=_OTHER_KINDS,
        )


def cookie_suffix(key: str) -> str:
    """Return what Clerk appends to the names of the cookies of the application with this publishable *key*."""
    return base64.urlsafe_b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest())[:8].decode()


def _places(config: ClerkIssuer) -> tuple[CookiePlace, ...]:
    """Return the cookies of a session. Only the first is certainly of this application, so it comes first."""
    return CookiePlace(name=f"{_COOKIE}_{cookie_suffix(config.publishable_key)}"), CookiePlace(name=_COOKIE)


PRESET = provider(ClerkIssuer, "Clerk", places=_places)
