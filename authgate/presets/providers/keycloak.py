"""Preset `keycloak`: docs/issuers/keycloak.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from authgate.config._outbound import redacted
from authgate.core.demands import has, lists
from authgate.presets.provider import Facts, ProviderIssuer, Texts, provider, url

if TYPE_CHECKING:
    from collections.abc import Iterator

# The claim `typ` of Keycloak's tokens (TokenUtil.java, 26). A token that DPoP binds to a key has DPoP there.
_TYP = {"access_token": ("Bearer",), "id_token": ("ID",), "any": ("Bearer", "ID")}
# In the address of the page of a client, and in the admin API.
_INTERNAL_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# Every client with any role in a realm has this audience, which is Keycloak's own account page.
_ACCOUNT = "account"


def _realm(text: str) -> str:
    _, found, name = text.partition("/realms/")
    if not found or not name or "/" in name:
        raise ValueError(f"{redacted(text, 200)} is not the URL of a realm\nit ends with /realms/ and the realm's name")
    return text


class KeycloakIssuer(ProviderIssuer):
    """Tokens of a realm of Keycloak."""

    asks: ClassVar[tuple[str, ...]] = ("realm_url", "clients")
    alternatives: ClassVar[tuple[str, ...]] = ("clients", "audiences")
    issuer_settings: ClassVar[tuple[str, ...]] = ("realm_url",)
    audiences_fix: ClassVar[str] = (
        "list the audience that an audience mapper writes for your API, or set clients to the IDs of your own clients"
    )

    not_settings: ClassVar[dict[str, str]] = {"url": "write it as `realm_url`, with /realms/ and the realm's name"}

    preset: Literal["keycloak"]
    """keycloak: the issuer is a realm of Keycloak."""
    realm_url: Annotated[str, url(_realm), Field(examples=["https://sso.example.com/realms/shop"])]
    """The URL of the realm, as browsers reach it, for example https://sso.example.com/realms/shop. It is the `iss` of
    its tokens."""
    clients: Annotated[Texts | None, Field(examples=["tasks-web"])] = None
    """The IDs of the clients whose tokens are accepted (claim azp). Set this, `audiences`, or both."""

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        return Facts(
            issuer=self.realm_url,
            audiences=None if self.clients is None else "any",
            identity={"roles": ["realm_access.roles"]},
            demands=(
                has("typ", accepted=_TYP[self.accept]),
                lists("clients", "azp", accepted=self.clients, names_client=True) if self.clients else has("azp"),
            ),
        )

    def advice(self) -> Iterator[str]:
        """Yield what is probably not meant."""
        for client in self.clients or ():
            if _INTERNAL_ID.fullmatch(client):
                yield f"clients lists {client}, which looks like the internal ID of a client: list its Client ID"
        if self.clients is None and self.audiences == [_ACCOUNT]:
            yield (
                "audiences: [account] accepts the tokens of every client of the realm: set clients, or give your API "
                "an audience of its own (docs/issuers/keycloak.md)"
            )


PRESET = provider(KeycloakIssuer, "Keycloak")
