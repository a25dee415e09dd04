"""Preset `entra`: Microsoft Entra ID. docs/issuers/entra.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field

from authgate.config._outbound import redacted
from authgate.config._types import MANY, NonEmpty
from authgate.core.demands import TENANT, Demand, TenantIssuers, Traits, has, lists
from authgate.core.errors import Problem
from authgate.presets.other_kinds import OtherKind
from authgate.presets.provider import Facts, OneOrMore, ProviderIssuer, host, provider

if TYPE_CHECKING:
    from collections.abc import Iterator

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NOT_TENANTS = ("common", "organizations", "consumers", "any")
_FIX_AUDIENCE = "write the Application (client) ID of your API's app registration"
_FIX_TENANT = "copy the Directory (tenant) ID from the overview of your app registration"
# The host in the `iss` of version 1.0, by authority. That of version 2.0 is the authority itself. For the one of the US
# government, see microsoft/botbuilder-python (emulator_validation.py: "Auth for US Gov, 1.0 token") and the table in
# https://learn.microsoft.com/answers/questions/1190472.
_HOSTS_OF_VERSION_1 = {
    "login.microsoftonline.com": "sts.windows.net",
    "login.microsoftonline.us": "sts.windows.net",
    "login.partner.microsoftonline.cn": "sts.chinacloudapi.cn",
}
# These have other tokens: the page has a configuration of preset jwt for them.
_OTHER_PRODUCTS = {"b2clogin.com": "Azure AD B2C", "ciamlogin.com": "Microsoft Entra External ID"}
# ID tokens have none of these, even if a page and its API share one app registration, and so one audience.
_IS_ACCESS = has("azp", "appid", "scp")
# Every program of the tenant can get a token without them. Microsoft.Identity.Web refuses it, too.
_HAS_RIGHTS = has("scp", "roles")
_URI = re.compile(r"api://([^/]+)(/.+)?")
_OF_MICROSOFT = (
    "The token is for a service of Microsoft, such as Microsoft Graph, and for no other. The client has to request a "
    "token for your API: a scope such as api://CLIENT-ID/access_as_user, and no scope of Graph with it."
)
# Microsoft Graph and Azure AD Graph, by their IDs and by their addresses in every cloud.
_GRAPH = (
    r"0000000[23]-0000-0000-c000-000000000000|https://(?:dod-)?graph\.(?:microsoft\.(?:com|us)|windows\.net)/?"
    r"|https://microsoftgraph\.chinacloudapi\.cn/?"
)
_SERVICES = re.compile(rf"{_GRAPH}|https://management\.(?:core\.windows\.net|azure\.com)/?")
_ISS = rf"https://(?:{'|'.join(map(re.escape, (*_HOSTS_OF_VERSION_1, *_HOSTS_OF_VERSION_1.values())))})/.*"
_OTHER_KINDS = (
    OtherKind(claims={"aud": _GRAPH}, sentence=_OF_MICROSOFT),
    # Microsoft signs tokens for its own services over another nonce than the one it sends.
    OtherKind(claims={"iss": _ISS}, has_nonce=True, sentence=_OF_MICROSOFT),
)


def _tenant(text: str) -> str:
    tenant = text.lower()
    if tenant in _NOT_TENANTS:
        raise ValueError(f"{redacted(text)} is not a tenant: no token is from it\n{_FIX_TENANT}, or write tenants: any")
    if not re.fullmatch(r"[0-9a-z-]{1,64}", tenant):
        within = _GUID.search(tenant)
        fix = f"write {within[0]}" if within else _FIX_TENANT
        raise ValueError(f"{redacted(text)} is not the ID of a tenant, which is a GUID\n{fix}")
    return tenant


def _authority(name: str) -> str:
    for domain, product in _OTHER_PRODUCTS.items():
        if name.endswith(domain):
            raise ValueError(f"{redacted(name)} is {product}\nwrite preset: jwt, as docs/issuers/entra.md shows")
    if name in _HOSTS_OF_VERSION_1.values():
        raise ValueError(
            f"{redacted(name)} is in the iss of version 1.0, and not a sign-in service\nwrite login.microsoftonline.com"
        )
    return name


def _other_spelling(audience: str) -> str:
    """Return the other audience of a client ID, before which version 1.0 may write api://; else *audience* itself."""
    client_id = audience.removeprefix("api://")
    if not _GUID.fullmatch(client_id):
        return audience
    return f"api://{client_id}" if client_id == audience else client_id


def _audience(text: str) -> str:
    audience = text.lower()
    if _SERVICES.fullmatch(audience):
        message = "is a service of Microsoft, and tokens for it were not made for your API"
        raise ValueError(f"{redacted(text)} {message}\n{_FIX_AUDIENCE}")
    return audience if _GUID.fullmatch(audience.removeprefix("api://")) else text


def _client(text: str) -> str:
    client = text.lower()
    if not _GUID.fullmatch(client):
        fix = "copy the Application (client) ID from the overview of the client's app registration"
        raise ValueError(f"{redacted(text)} is not the ID of a client, which is a GUID\n{fix}")
    return client


Tenant: TypeAlias = Annotated[str, AfterValidator(_tenant)]


Audience: TypeAlias = Annotated[NonEmpty, AfterValidator(_audience)]
EntraAudiences: TypeAlias = Literal["any"] | Annotated[list[Audience], Field(min_length=1, max_length=MANY)]


class EntraIssuer(ProviderIssuer):
    """Tokens of Microsoft Entra ID, versions 1.0 and 2.0, from one tenant or from several."""

    asks: ClassVar[tuple[str, ...]] = ("tenant", "audiences")
    alternatives: ClassVar[tuple[str, ...]] = ("tenant", "tenants")
    issuer_settings: ClassVar[tuple[str, ...]] = ("tenant", "tenants")
    audiences_fix: ClassVar[str] = _FIX_AUDIENCE

    preset: Literal["entra"]
    """entra: the issuer is Microsoft Entra ID."""
    tenant: Annotated[Tenant | None, Field(examples=["5d3f1c0e-8a47-4b62-9c11-2e7a90b4d6f8"])] = None
    """The Directory (tenant) ID, a GUID. Set this or `tenants`."""
    tenants: Literal["any"] | OneOrMore[Tenant] | None = None
    """The Directory (tenant) IDs of several tenants; or any, for a service that every organization and everyone with a
    personal account may use. A token's `iss` must be that of its claim tid."""
    audiences: Annotated[EntraAudiences | None, Field(examples=["0b7e4d9a-63c2-4f18-a5d7-91e8c2f04b36"])] = None
    """The Application (client) ID of your API, or its Application ID URI. If the URI is api:// and
    the ID, you can write either, and both are accepted, except with tenants: any."""
    authority: Annotated[str, host(_authority)] = "login.microsoftonline.com"
    """The host of the sign-in service. National clouds have their own, such as login.microsoftonline.us."""
    clients: Annotated[
        OneOrMore[Annotated[str, AfterValidator(_client)]] | None,
        Field(examples=["9a2c5e71-0d84-4b3f-8e60-7f1b3c95d2a4"]),
    ] = None
    """The Application (client) IDs of the clients whose tokens are accepted (claim azp or appid). Default: all clients,
    if the token has scopes or roles."""

    @property
    def _tenants(self) -> list[str]:
        """The accepted tenants; none if any is accepted."""
        listed = self.tenants if isinstance(self.tenants, list) else []
        return [*dict.fromkeys(listed), *([self.tenant] if self.tenant else [])]

    @property
    def _audiences(self) -> list[str]:
        return self.audiences if isinstance(self.audiences, list) else []

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        tenants = self._tenants
        templates = [f"https://{self.authority}/{TENANT}/v2.0"]
        if of_version_1 := _HOSTS_OF_VERSION_1.get(self.authority):
            templates.append(f"https://{of_version_1}/{TENANT}/")
        issued = TenantIssuers(
            claim=("tid",), templates=tuple(templates), key_placeholder="{tenantid}", accepts_any=not tenants
        )
        every = [template.replace(TENANT, tenant) for tenant in tenants or [TENANT] for template in templates]
        return Facts(
            issuer=every[0],
            also_iss=tuple(every[1:]),
            # The metadata for all tenants has a template as its issuer, which discovery refuses.
            jwks_url=None if len(tenants) == 1 else f"https://{self.authority}/common/discovery/v2.0/keys",
            # The URI is unique only within a tenant: a foreign one may have an API of that name.
            also_audiences=[_other_spelling(audience) for audience in self._audiences] if tenants else (),
            # `sub` is another one in each application. Addresses can be changed by the tenant: only xms_edov says that
            # the tenant owns the domain ("nOAuth", 2023).
            identity={"subject": ["oid"], "organization": ["tid"], "email_verified": ["xms_edov"]},
            demands=tuple(self._demanded()),
            traits=Traits(tenants=issued, access_marks=(("azp",), ("appid",))),
            other_kinds=_OTHER_KINDS,
        )

    def _demanded(self) -> Iterator[Demand]:
        """Yield what a token must have."""
        if self._tenants:
            yield lists("tenants", "tid", accepted=self._tenants)
        if self.clients is not None:
            yield lists("clients", "azp", "appid", accepted=self.clients, names_client=True)
        elif self.accept == "access_token":
            yield _IS_ACCESS
            yield _HAS_RIGHTS

    def strangers(self) -> str:
        """Return that every tenant may sign in, unless some are listed."""
        who = "every organization and everyone with a personal account may sign in: list tenants"
        return who if self.tenants == "any" else ""

    def problems(self, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
        """Yield what is wrong with the tenants and the clients."""
        yield from super().problems(setting, wrong)
        if wrong.isdisjoint({"tenant", "tenants"}) and (self.tenant is None) == (self.tenants is None):
            message = "is missing" if self.tenant is None else "and tenants are both set"
            yield Problem(setting=f"{setting}.tenant", message=message, fix=f"{_FIX_TENANT}, or set tenants")
        for tenant in set(self._tenants) & set(self._audiences):
            message = f"lists {tenant}, which is the ID of the tenant"
            yield Problem(setting=f"{setting}.audiences", message=message, fix=self.audiences_fix)
        if self.clients is not None and self.accept != "access_token":
            message = "cannot be checked, because ID tokens name no client except in aud"
            fix = "remove it, and list the IDs of your clients in audiences"
            yield Problem(setting=f"{setting}.clients", message=message, fix=fix)

    def advice(self) -> Iterator[str]:
        """Yield what is probably not meant."""
        for tenant in self._tenants:
            if not _GUID.fullmatch(tenant):
                yield f"tenant {tenant} is not a GUID, so no token of Microsoft is from it: {_FIX_TENANT}"
        for audience in self._audiences:
            uri = _URI.fullmatch(audience)
            if not _GUID.fullmatch(audience) and ":" not in audience:
                yield f"audience {redacted(audience)} is neither a GUID nor a URI: {self.audiences_fix}"
            if uri and uri[2] and _GUID.fullmatch(uri[1]) and uri[1] not in self._tenants:
                yield f"audience {redacted(audience)} looks like a scope: the audience is what is before the last slash"
            if not self._tenants and not _GUID.fullmatch(audience):
                yield (
                    f"audience {redacted(audience)} is unique only within a tenant, and another one may have an API of "
                    "that name: list the client ID of your API"
                )
        if self.accept == "any" and not self.require_claims:
            yield (
                "accept: any accepts tokens without scopes and roles, too, which every program of the tenant can get: "
                "demand a role in your policies, or a client with require_claims"
            )


PRESET = provider(EntraIssuer, "Microsoft Entra ID")
