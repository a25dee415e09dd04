"""Preset `zitadel`: docs/issuers/zitadel.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field

from authgate.core.demands import Traits, has, lacks, lists
from authgate.core.errors import Problem
from authgate.presets.provider import Digits, Facts, Host, OneOrMore, ProviderIssuer, provider

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIX_PROJECT = "copy the Resource Id of your project: it has only digits"


def _project(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,20}", text):  # not quoted: it may be a secret
        raise ValueError(f"is not the ID of a project\n{_FIX_PROJECT}")
    return text


ProjectId: TypeAlias = Annotated[Digits, AfterValidator(_project)]


class ZitadelIssuer(ProviderIssuer):
    """Access tokens of the applications and service users of a project of ZITADEL."""

    asks: ClassVar[tuple[str, ...]] = ("domain", "project_id", "clients")
    not_settings: ClassVar[dict[str, str]] = {"url": "write its host as `domain`"}
    issuer_settings: ClassVar[tuple[str, ...]] = ("domain",)
    jwt_fix: ClassVar[str] = (
        "ZITADEL sends opaque tokens unless you change that: set Auth Token Type to JWT in the Token Settings of the "
        "application, or Access Token Type to JWT for a service user. A personal access token is never a JWT."
    )

    preset: Literal["zitadel"]
    """zitadel: the issuer is an instance of ZITADEL."""
    domain: Annotated[Host, Field(examples=["acme-x1y2z3.zitadel.cloud"])]
    """The domain at which your users sign in, for example acme-x1y2z3.zitadel.cloud, with the port if it is not 443."""
    project_id: Annotated[ProjectId, Field(examples=["294645900000000001"])]
    """The Resource Id of your project. It is the audience of the tokens, and the roles are those of this project."""
    clients: Annotated[Literal["any"] | OneOrMore[Digits], Field(examples=["294645919545032706"])]
    """The client IDs of the applications whose tokens are accepted (claim client_id), and the names of service users.
    any: every application and service user of the instance, because each of them can ask for a token for your project.
    Then demand a role in your policies."""

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        is_access = self.accept == "access_token"
        claims = ("client_id",) if is_access else ("client_id", "azp")
        return Facts(
            issuer=f"https://{self.domain}",
            audiences=[self.project_id],
            identity={
                # The claim without an id has the roles of the project that asked for the token.
                "roles": [f"urn:zitadel:iam:org:project:{self.project_id}:roles"],
                "organization": ["urn:zitadel:iam:user:resourceowner:id"],
            },
            demands=(
                has(*claims)
                if self.clients == "any"
                else lists("clients", *claims, accepted=self.clients, names_client=True),
                *((has("jti"), lacks("azp")) if is_access else ()),  # no ID token has jti, and every one has azp
            ),
            traits=Traits(access_marks=(("jti",),)),
        )

    def strangers(self) -> str:
        """Return that all clients of the instance are accepted, unless some are listed."""
        who = "every application and service user of the instance can get a token for the project: list clients"
        return who if self.clients == "any" else ""

    def problems(self, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
        """Yield the ID of the project where that of a client belongs."""
        yield from super().problems(setting, wrong)
        if self.project_id in self.clients and wrong.isdisjoint({"project_id", "clients"}):
            message = "lists the ID of the project, which is not a client"
            yield Problem(setting=f"{setting}.clients", message=message, fix="list the client IDs of your applications")


PRESET = provider(ZitadelIssuer, "ZITADEL")
