"""Preset `authentik`: docs/issuers/authentik.md."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from authgate.config._outbound import redacted
from authgate.config._types import NonEmpty
from authgate.core.demands import Traits, has, lists
from authgate.presets.provider import Facts, ProviderIssuer, Url, matching, provider

# The pages of authentik, and the addresses of its providers.
_DEEPER = re.compile(r"(.*?)/(?:application/o/([^/]*)|if/).*", re.DOTALL)
_SLUG = matching(r"[A-Za-z0-9_-]+", "the slug of an application", "copy it: Applications, your application, Slug")
# Secrets have 128 characters.
_CLIENT = matching(
    r"(?!any$|[A-Za-z0-9]{128}$).+", "a client ID", "write the Client ID: Applications, Providers, your provider"
)


def _root(url: object) -> object:
    if isinstance(url, str) and (deeper := _DEEPER.fullmatch(url)) and "@" not in deeper[1]:
        root, slug = deeper.groups()
        fix = f"write url: {root}" + (f" and application: {slug}" if slug else "")
        raise ValueError(f"{redacted(url, 200)} is a page of authentik, or the address of a provider\n{fix}")
    return url


RootUrl: TypeAlias = Annotated[Url, BeforeValidator(_root)]


class AuthentikIssuer(ProviderIssuer):
    """Tokens of an application of authentik."""

    asks: ClassVar[tuple[str, ...]] = ("url", "application", "client_id")
    issuer_settings: ClassVar[tuple[str, ...]] = ("url", "application")
    hs256_fix: ClassVar[str] = (
        "Open the provider in authentik, and set its Signing Key: without one, it signs with the client's secret."
    )
    jwt_fix: ClassVar[str] = (
        "authentik signs access tokens as JWTs unless the provider has an Encryption Key: remove it. API tokens and "
        "app passwords are opaque: get an access token with them."
    )

    preset: Literal["authentik"]
    """authentik: the issuer is an application of authentik."""
    url: Annotated[RootUrl, Field(examples=["https://auth.example.com"])]
    """The URL of authentik, as browsers reach it, for example https://auth.example.com."""
    application: Annotated[str, _SLUG, Field(examples=["shop"])]
    """The slug of the application. The issuer is url/application/o/slug/."""
    client_id: Annotated[NonEmpty, _CLIENT, Field(examples=["gJ8aVbq2nL0pXrW3sKd7yTzHcEuFmQ1oR5iB9xNv"])]
    """The Client ID of the application's provider. It is the audience and the client of all its tokens."""

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        only_access = self.accept == "access_token"
        return Facts(
            issuer=f"{self.url}/application/o/{self.application}/",
            audiences=[self.client_id],
            identity={"roles": ["groups"]},
            # The server makes an access token from an ID token, with its nonce, and adds uid and azp.
            demands=(
                *((has("uid"),) if only_access else ()),
                lists("client_id", "azp", accepted=[self.client_id], optional=not only_access, names_client=True),
            ),
            traits=Traits(access_marks=(("uid",),)),
        )


PRESET = provider(AuthentikIssuer, "authentik")
