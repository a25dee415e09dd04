"""Preset `google`: docs/issuers/google.md."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from authgate.config._outbound import redacted
from authgate.config._types import NonEmpty
from authgate.core.demands import Demand, Form, lists
from authgate.core.errors import Problem
from authgate.presets.provider import Facts, OneOrMore, ProviderIssuer, host, matching, provider

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLIENTS_END = ".apps.googleusercontent.com"
_USER = Form(r"(?!.*\.gserviceaccount\.com$).*", "the address of a user")
_CLIENT = Form(r"[0-9]+(?:-[0-9a-z]+)?\.apps\.googleusercontent\.com", "the ID of an OAuth client")
_FIX_CLIENT = f"copy the Client ID: APIs & Services, Credentials. It ends with {_CLIENTS_END}"
_ACCOUNT = r"[a-z0-9][a-z0-9.-]*@[a-z0-9.-]+\.gserviceaccount\.com"
_PERSONAL = ("gmail.com", "googlemail.com")


def _client(text: str) -> str:
    if not re.fullmatch(_CLIENT.pattern, text):  # not quoted: old secrets have no form of their own
        raise ValueError(f"is not {_CLIENT.words}\n{_FIX_CLIENT}")
    return text


def _hosted_domain(domain: str) -> str:
    if domain in _PERSONAL:
        raise ValueError(
            f"{redacted(domain)} is the domain of personal accounts, whose tokens have no hd\n"
            "remove hosted_domains to accept every Google account"
        )
    return domain


class GoogleIssuer(ProviderIssuer):
    """ID tokens of Google: of users (Sign in with Google) and of service accounts."""

    asks: ClassVar[tuple[str, ...]] = ("clients", "hosted_domains")
    alternatives: ClassVar[tuple[str, ...]] = ("clients", "audiences")
    audiences_fix: ClassVar[str] = (
        "set clients to the client IDs of your applications, or list the audience that your service accounts ask for"
    )
    jwt_fix: ClassVar[str] = "Google's access tokens (ya29.…) are opaque. Send the ID token."

    preset: Literal["google"]
    """google: the issuer is Google."""
    accept: Literal["id_token"] = "id_token"
    """Google signs only ID tokens: its access tokens are opaque."""
    clients: Annotated[
        OneOrMore[Annotated[NonEmpty, AfterValidator(_client)]] | None,
        Field(examples=[f"1234567890-abc123def456{_CLIENTS_END}"]),
    ] = None
    """The client IDs of your applications, for Sign in with Google: the `aud` of users' tokens. Tokens of service
    accounts for these are refused."""
    hosted_domains: Annotated[
        OneOrMore[Annotated[str, host(_hosted_domain)]] | None, Field(examples=["example.com"])
    ] = None
    """The domains of Google Workspace whose users are accepted (claim hd). Default: every Google account."""
    service_accounts: (
        OneOrMore[
            Annotated[
                NonEmpty,
                matching(
                    _ACCOUNT,
                    "the e-mail address of a service account",
                    "copy the Email: IAM & Admin, Service Accounts. It ends with .gserviceaccount.com",
                ),
            ]
        ]
        | None
    ) = None
    """The e-mail addresses of the service accounts that are accepted. `audiences` has what they ask for, usually the
    URL of your API. Anybody's service account can get a token for it, so this list is required."""

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        return Facts(
            issuer="https://accounts.google.com",
            also_iss=("accounts.google.com",),
            audiences=self.clients,
            also_audiences=self.clients or (),
            identity={"organization": ["hd"]},
            demands=(*self._of_users(), *self._of_service_accounts()),
        )

    def _of_users(self) -> Iterator[Demand]:
        """Yield what tokens for `clients` must have."""
        if not self.clients:
            return
        of_users = tuple(self.clients)
        # Service accounts can ask for any audience. Their azp is a number or an address, while that of a user is the
        # client that asked: on Android and iOS another one than aud, of the same project. It is optional.
        for name, form in (("azp", _CLIENT), ("email", _USER)):
            demand = Demand(paths=((name,),), accepted=(), form=form, setting="clients", optional=True, fixed=True)
            yield replace(demand, audiences=of_users)
        if self.hosted_domains:
            yield replace(lists("hosted_domains", "hd", accepted=self.hosted_domains), audiences=of_users)

    def _of_service_accounts(self) -> Iterator[Demand]:
        """Yield what tokens for other audiences must have."""
        if others := self._other_audiences():
            for name, accepted in (("email", self.service_accounts or []), ("email_verified", [True])):
                yield replace(lists("service_accounts", name, accepted=accepted), audiences=others)

    def _other_audiences(self) -> tuple[str, ...]:
        given = self.audiences if isinstance(self.audiences, list) else ()
        return tuple(audience for audience in given if audience not in (self.clients or ()))

    def strangers(self) -> str:
        """Return that every Google account may sign in, unless domains are listed."""
        is_open = self.clients and not self.hosted_domains
        return "everyone with a Google account may sign in: set hosted_domains" if is_open else ""

    def problems(self, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
        """Yield settings that let strangers in, and those that do nothing."""
        yield from super().problems(setting, wrong)
        others = self._other_audiences()
        if clients := [audience for audience in others if audience.endswith(_CLIENTS_END)]:
            message = f"lists {redacted(clients[0])}, which is an OAuth client"
            yield Problem(setting=f"{setting}.audiences", message=message, fix="write it in clients")
        elif others and self.service_accounts is None and "service_accounts" not in wrong:
            message = f"is missing: anybody's service account can get a token for {redacted(others[0])}"
            fix = "list the e-mail addresses of those that you accept"
            yield Problem(setting=f"{setting}.service_accounts", message=message, fix=fix)
        for name, needed, fix in (
            ("hosted_domains", self.clients, "set clients: it is about users who sign in"),
            ("service_accounts", others, "set audiences to what they ask for, usually the URL of your API"),
        ):
            if self.given(name) is not None and not needed and wrong.isdisjoint({"clients", "audiences"}):
                yield Problem(setting=f"{setting}.{name}", message="has no effect yet", fix=fix)


PRESET = provider(GoogleIssuer, "Google")
