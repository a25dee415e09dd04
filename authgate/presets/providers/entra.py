"""Preset `entra`: Microsoft Entra ID. docs/issuers/entra.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field

from authgate.config._outbound import redacted
from authgate.config._types import one_or_more
from authgate.core.demands import TENANT, TenantIssuers
from authgate.core.errors import Problem
from authgate.presets.provider import Facts, Host, ProviderIssuer, Texts, provider

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NOT_TENANTS = ("common", "organizations", "consumers")
_FIX_TENANT = "copy the Directory (tenant) ID from the overview of your app registration"


def _tenant(text: str) -> str:
    tenant = text.lower()
    if tenant in _NOT_TENANTS:
        raise ValueError(
            f"{redacted(text)} is not a tenant, and no token is from it\n{_FIX_TENANT}; or write tenants: any"
        )
    if not re.fullmatch(r"[0-9a-z-]{1,64}", tenant):
        raise ValueError(f"{redacted(text)} is not the ID of a tenant, which is a GUID\n{_FIX_TENANT}")
    return tenant


Tenant: TypeAlias = Annotated[str, AfterValidator(_tenant)]


class EntraIssuer(ProviderIssuer):
    """Tokens of Microsoft Entra ID, versions 1.0 and 2.0, from one tenant or from several."""

    asks: ClassVar[tuple[str, ...]] = ("tenant", "audiences")
    issuer_setting: ClassVar[str] = "tenant"
    audiences_fix: ClassVar[str] = "write the Application (client) ID of your API's app registration"

    preset: Literal["entra"]
    """entra: the issuer is Microsoft Entra ID."""
    tenant: Annotated[Tenant | None, Field(examples=["72f988bf-86f1-41af-91ab-2d7cd011db47"])] = None
    """The Directory (tenant) ID, a GUID. Set this or `tenants`."""
    tenants: Literal["any"] | Annotated[list[Tenant], one_or_more(str), Field(min_length=1, max_length=100)] | None = (
        None
    )
    """The Directory (tenant) IDs of several tenants; or any, for a service that every organization and everyone with a
    personal account may use. A token's `iss` must be that of its claim tid."""
    authority: Host = "login.microsoftonline.com"
    """The host of the sign-in service. National clouds have their own, such as login.microsoftonline.us."""
    clients: Annotated[Texts | None, Field(examples=["11111111-2222-3333-4444-555555555555"])] = None
    """The Application (client) IDs of the clients whose tokens are accepted (claim azp or appid). Default: all clients
    that get tokens for `audiences`."""

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        tenants = self.tenants if isinstance(self.tenants, list) else [self.tenant] if self.tenant else []
        issued = TenantIssuers(
            claim=("tid",),
            templates=(f"https://{self.authority}/{TENANT}/v2.0", f"https://sts.windows.net/{TENANT}/"),
        )
        every = [
            iss
            for tenant in tenants or [TENANT]
            for iss in (template.replace(TENANT, tenant) for template in issued.templates)
        ]
        keys = f"https://{self.authority}/common/discovery/v2.0/keys"
        return Facts(
            issuer=every[0],
            also_iss=tuple(every[1:]),
            tenants=issued,
            any_tenant=not tenants,
            jwks_url=None if len(tenants) == 1 else keys,
            audiences=_audiences(self.audiences),
            # `sub` is another one in each application. Addresses can be changed by the tenant: only xms_edov says that
            # the tenant owns the domain ("nOAuth", 2023).
            identity={"subject": ["oid"], "organization": ["tid"], "email_verified": ["xms_edov"]},
            claims={"tid": tenants} if tenants else {},
            clients=self.clients,
            # ID tokens have neither, also where a page and its API share one app registration, and so one audience.
            client_claims=("azp", "appid") if self.accept == "access_token" else (),
        )

    def problems(self, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
        """Yield what is wrong with the tenants."""
        yield from super().problems(setting, wrong)
        if wrong.isdisjoint({"tenant", "tenants"}) and (self.tenant is None) == (self.tenants is None):
            message = "is missing" if self.tenant is None else "and tenants are both set"
            yield Problem(setting=f"{setting}.tenant", message=message, fix=f"set one of them: {_FIX_TENANT}")

    def advice(self) -> Iterator[str]:
        """Yield the tenants whose IDs cannot be right."""
        for tenant in (
            *(self.tenants if isinstance(self.tenants, list) else ()),
            *([self.tenant] if self.tenant else ()),
        ):
            if not _GUID.fullmatch(tenant):
                yield f"tenant {tenant} is not a GUID, so no token of Microsoft is from it: {_FIX_TENANT}"


def _audiences(given: Sequence[str] | None) -> Sequence[str] | None:
    """Return *given*, and for each client ID the audience that version 1.0 makes of it."""
    if not isinstance(given, list):
        return given
    return list(dict.fromkeys(one for audience in given for one in (audience, *_of_version_1(audience))))


def _of_version_1(audience: str) -> tuple[str, ...]:
    return (f"api://{audience}",) if _GUID.fullmatch(audience.lower()) else ()


PRESET = provider(EntraIssuer, "Microsoft Entra ID")
