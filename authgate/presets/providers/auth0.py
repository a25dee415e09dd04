"""Preset `auth0`: docs/issuers/auth0.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from authgate.config._outbound import redacted
from authgate.config._types import NonEmpty
from authgate.core.demands import Demand, Traits, has, lists
from authgate.presets.provider import Facts, OneOrMore, ProviderIssuer, host, matching, provider
from authgate.presets.settings import Audiences

if TYPE_CHECKING:
    from collections.abc import Iterator

# Auth0 makes 32 letters and digits of both cases. An identifier of an API may be 32 hexadecimal digits.
_CLIENT_ID = re.compile(r"(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9]{32}")
# Secrets have 64 characters.
_CLIENT = matching(
    r"(?![A-Za-z0-9_-]{64}$).+", "a client ID", "write the Client ID: Applications, your application, Settings"
)
# The APIs of Auth0 itself: /userinfo is in the tokens for every API, and the other one manages the user's account.
_APIS_OF_AUTH0 = ("userinfo", "api/v2/")


def _domain(name: str) -> str:
    if name == "manage.auth0.com":
        fix = "copy the Domain: Applications, your application, Settings"
        raise ValueError(f"{redacted(name)} is the address of Auth0's dashboard, and no token is from it\n{fix}")
    return name


class Auth0Issuer(ProviderIssuer):
    """Access tokens of a tenant of Auth0."""

    asks: ClassVar[tuple[str, ...]] = ("domain", "audiences")
    not_settings: ClassVar[dict[str, str]] = {"url": "write its host as `domain`"}
    issuer_settings: ClassVar[tuple[str, ...]] = ("domain",)
    added_roles: ClassVar[str] = '"https://example.com/roles"'
    audiences_fix: ClassVar[str] = "list the Identifier of your API: Applications, APIs, your API, Settings"
    jwt_fix: ClassVar[str] = (
        "Auth0 sends a JWT only for an API: the application must pass the parameter `audience` with the Identifier of "
        "your API when it signs in and when it renews the token. In that API's settings, turn off JSON Web Encryption."
    )

    preset: Literal["auth0"]
    """auth0: the issuer is a tenant of Auth0."""
    domain: Annotated[OneOrMore[Annotated[str, host(_domain)]], Field(examples=["tenant.eu.auth0.com"])]
    """The domain of the tenant, for example tenant.eu.auth0.com, or its custom domain: the one that your applications
    use. If they use several, list them all. They must be domains of one tenant, because they have the same keys and the
    same users. AuthGate takes the keys from the first."""
    audiences: Annotated[Audiences | None, Field(examples=["https://api.example.com"])] = None
    """The accepted values of `aud`, or any: the identifiers of your APIs. With accept: id_token, your client IDs;
    default: `clients`."""
    clients: OneOrMore[Annotated[NonEmpty, _CLIENT]] | None = None
    """The IDs of the clients whose tokens are accepted (claim azp or client_id). Default: all clients that get tokens
    for `audiences`."""

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        issuer, *others = (f"https://{domain}/" for domain in dict.fromkeys(self.domain))
        return Facts(
            issuer=issuer,
            also_iss=tuple(others),
            audiences=self.clients if self.accept == "id_token" else None,
            demands=self._of_clients(),
            traits=Traits(access_marks=(("client_id",), ("gty",), ("permissions",))),
            user_claims=("*user_metadata*",),
        )

    def _of_clients(self) -> tuple[Demand, ...]:
        """Return what tokens must have. Auth0's own profile names the client in azp, that of RFC 9068 in client_id."""
        only_access = self.accept == "access_token"
        if self.clients:
            return (
                lists(
                    *("clients", "azp", "client_id"),
                    accepted=self.clients,
                    optional=not only_access,
                    names_client=True,
                ),
            )
        return (has("azp", "client_id"),) if only_access else ()  # ID tokens have neither

    def advice(self) -> Iterator[str]:
        """Yield what is probably not meant."""
        for audience in self.audiences if isinstance(self.audiences, list) else ():
            if re.fullmatch(r"[0-9a-f]{24}", audience):
                yield f"audiences lists {audience}, which looks like the Id of an API: {self.audiences_fix}"

    def mistaken(self, audience: str) -> str:
        """Return why *audience* cannot be the API of the operator; "" if it may be."""
        if _CLIENT_ID.fullmatch(audience) or audience in (self.clients or ()):
            return "is a client ID, and the audience of an access token is an API"
        host, _, path = audience.removeprefix("https://").partition("/")
        if path in _APIS_OF_AUTH0 and (host in self.domain or host.endswith(".auth0.com")):
            return "is an API of Auth0 itself, and tokens for it were not made for yours"
        return ""


PRESET = provider(Auth0Issuer, "Auth0")
