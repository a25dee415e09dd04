"""Preset `okta`: docs/issuers/okta.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field

from authgate.config._outbound import redacted
from authgate.config._types import NonEmpty
from authgate.core.demands import Demand, Form, Traits, has, lists
from authgate.presets.other_kinds import OtherKind
from authgate.presets.provider import Facts, OneOrMore, ProviderIssuer, host, provider
from authgate.presets.settings import Audiences

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVERS = "Security, API, Authorization Servers"
_ADMIN_HOST = re.compile(r"(.+)-admin(\.okta[a-z-]*\.(?:com|mil))")
_SERVER = re.compile(r"default|aus[0-9A-Za-z]{10,40}")
_ISSUER_URI = re.compile(rf"^https://[^/]+/oauth2/({_SERVER.pattern})(?![0-9A-Za-z])")
# Each kind of object has IDs that begin with its own three characters: 0oa is an application, 00u a user.
_OF_USER = re.compile(r"00u[0-9A-Za-z]{17}")
_MADE_BY_OKTA = Form(r"0oa[0-9A-Za-z]{17}", "an ID that Okta made (0oa...)")
# Who creates an application through Okta's API may choose its client ID, and so could choose the ID of a user.
_PROGRAM = Demand(paths=(("cid",),), accepted=(), form=_MADE_BY_OKTA, optional=True, unless=("uid",), fixed=True)

_OTHER_KINDS = (
    OtherKind(
        typ="application/okta-internal-at+jwt",  # since March 2024
        sentence="The token is from Okta's org authorization server. It is for Okta's own API, and nobody else can "
        "verify it. The client has to use a custom authorization server, such as "
        "https://acme.okta.com/oauth2/default: docs/issuers/okta.md.",
    ),
)


def _domain(name: str) -> str:
    if match := _ADMIN_HOST.fullmatch(name):
        raise ValueError(
            f"{redacted(name)} is the address of the Admin Console, and no token is from it\n"
            f"write {''.join(match.groups())}"
        )
    return name


def _server(text: str) -> str:
    if _SERVER.fullmatch(text):
        return text
    if text.lower() in {"org", "v1"}:
        what = "is the org authorization server, whose access tokens are for Okta alone"
        raise ValueError(f"{redacted(text)} {what}\nwrite default, or the ID of another custom authorization server")
    within = _ISSUER_URI.search(text)
    fix = f"write {within[1]}" if within else f"write the last part of its Issuer URI: {_SERVERS}"
    raise ValueError(f"{redacted(text)} is not the ID of a custom authorization server\n{fix}")


def _client(text: str) -> str:
    if _OF_USER.fullmatch(text):
        raise ValueError(f"{redacted(text)} is the ID of a user\nwrite the Client ID: Applications, your app, General")
    return text


Domain: TypeAlias = Annotated[str, host(_domain)]
Client: TypeAlias = Annotated[NonEmpty, AfterValidator(_client)]


class OktaIssuer(ProviderIssuer):
    """Access tokens of a custom authorization server of Okta."""

    asks: ClassVar[tuple[str, ...]] = ("domain", "authorization_server", "audiences")
    not_settings: ClassVar[dict[str, str]] = {"url": "write its host as `domain`"}
    issuer_settings: ClassVar[tuple[str, ...]] = ("domain", "authorization_server")
    audiences_fix: ClassVar[str] = f"write the Audience of the authorization server, such as api://default: {_SERVERS}"

    preset: Literal["okta"]
    """okta: the issuer is a custom authorization server of Okta."""
    domain: Annotated[OneOrMore[Domain], Field(examples=["acme.okta.com"])]
    """The domain of the org, for example acme.okta.com, or its custom domain: the one that your applications use. If
    they use several, list them all. They must be domains of one org. AuthGate takes the keys from the first."""
    authorization_server: Annotated[str, AfterValidator(_server), Field(examples=["default"])] = "default"
    """The ID of the custom authorization server: the last part of its Issuer URI."""
    audiences: Annotated[Audiences | None, Field(examples=["api://default"])] = None
    """The accepted values of `aud`, or any: the Audience of the authorization server. With accept: id_token, your
    client IDs; default: `clients`."""
    clients: OneOrMore[Client] | None = None
    """The IDs of the clients whose tokens are accepted (claim cid). Default: all clients that get tokens for
    `audiences`."""

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        issuer, *others = (f"https://{host}/oauth2/{self.authorization_server}" for host in dict.fromkeys(self.domain))
        # An access token has uid for a user, and always cid. Its `sub` is the login, which can be changed, and given to
        # another user. In an ID token, `sub` is what uid is in an access token, and there is no cid.
        subject = {"access_token": ["uid", "cid"], "id_token": ["sub"], "any": ["uid", "cid", "sub"]}[self.accept]
        return Facts(
            issuer=issuer,
            also_iss=tuple(others),
            audiences=self.clients if self.accept == "id_token" else None,
            identity={"subject": subject, "roles": ["groups"]},
            demands=self._of_clients(),
            traits=Traits(access_marks=(("cid",), ("uid",))),
            other_kinds=_OTHER_KINDS,
        )

    def _of_clients(self) -> tuple[Demand, ...]:
        only_access = self.accept == "access_token"
        if self.clients:
            return (lists("clients", "cid", accepted=self.clients, optional=not only_access, names_client=True),)
        return (has("cid"), _PROGRAM) if only_access else (_PROGRAM,)

    def advice(self) -> Iterator[str]:
        """Yield what is probably not meant."""
        for audience in self.audiences if isinstance(self.audiences, list) else ():
            if _ISSUER_URI.search(audience):
                yield f"audiences lists {redacted(audience)}, which is an Issuer URI: {self.audiences_fix}"

    def mistaken(self, audience: str) -> str:
        """Return why *audience* cannot be the Audience of the authorization server; "" if it may be."""
        if re.fullmatch(_MADE_BY_OKTA.pattern, audience) or audience in (self.clients or ()):
            return "is a client ID, which only ID tokens have as their audience"
        if audience.rstrip("/") in {f"https://{host}" for host in self.domain}:
            return "is the audience of the org authorization server, whose access tokens are for Okta alone"
        return ""


PRESET = provider(OktaIssuer, "Okta")
