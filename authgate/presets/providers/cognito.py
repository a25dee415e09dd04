"""Preset `cognito`: docs/issuers/cognito.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from authgate.config._outbound import redacted
from authgate.config._types import NonEmpty
from authgate.core.demands import has, lists
from authgate.core.errors import Problem
from authgate.presets.provider import Facts, OneOrMore, ProviderIssuer, matching, provider

if TYPE_CHECKING:
    from collections.abc import Iterator

_USER_POOL = re.compile(r"([a-z]{2,}(?:-[a-z]+)+-\d+)_[0-9A-Za-z]+")
_FIX_POOL = "copy the User pool ID from the overview of the user pool: it looks like eu-central-1_AbCdEf123"
# Secrets are longer than IDs, and have the same characters.
_CLIENT = r"(?![a-z0-9]{40,}$)[\w+]{1,128}"
_FIX_CLIENT = "copy the Client ID: Applications, App clients, your client"
_USES = {"access_token": ("access",), "id_token": ("id",), "any": ("access", "id")}


def _user_pool(text: str) -> str:
    if _USER_POOL.fullmatch(text):
        return text
    if inner := _USER_POOL.search(text):  # an ARN, the issuer, or the URL of the keys
        raise ValueError(f"{redacted(text, 200)} is more than the ID of a user pool\nwrite {inner[0]}")
    what = "the ID of an identity pool, and not" if re.fullmatch(r"[a-z0-9-]+:[0-9a-f-]{36}", text) else "not"
    raise ValueError(f"{redacted(text)} is {what} the ID of a user pool\n{_FIX_POOL}")


class CognitoIssuer(ProviderIssuer):
    """Tokens of a user pool of Amazon Cognito."""

    asks: ClassVar[tuple[str, ...]] = ("user_pool", "clients")
    issuer_settings: ClassVar[tuple[str, ...]] = ("user_pool",)

    preset: Literal["cognito"]
    """cognito: the issuer is a user pool of Amazon Cognito."""
    user_pool: Annotated[str, AfterValidator(_user_pool), Field(examples=["eu-central-1_AbCdEf123"])]
    """The ID of the user pool, for example eu-central-1_AbCdEf123. It begins with the region."""
    clients: Annotated[
        OneOrMore[Annotated[NonEmpty, matching(_CLIENT, "the ID of an app client", _FIX_CLIENT)]],
        Field(examples=["1example23456789"]),
    ]
    """The IDs of the app clients whose tokens are accepted: claim client_id of access tokens, aud of ID tokens."""

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        region = self.user_pool.partition("_")[0]
        domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        issuer = f"https://cognito-idp.{region}.{domain}/{self.user_pool}"
        return Facts(
            issuer=issuer,
            # The type UPDATED of an issuer, which replication to a second region needs (2026).
            also_iss=(f"https://issuer-cognito-idp.{region}.{domain}/{self.user_pool}",),
            # No discovery: the metadata names only one of the two issuers, and both have these keys.
            jwks_url=f"{issuer}/.well-known/jwks.json",
            audiences=self.clients if self.accept == "id_token" else "any",
            identity={"roles": ["cognito:groups"], "session_id": ["origin_jti"]},
            demands=(
                has("token_use", accepted=_USES[self.accept]),
                lists("clients", *self._client_claims(), accepted=self.clients, names_client=True),
            ),
            user_claims=("custom:*",),
        )

    def _client_claims(self) -> tuple[str, ...]:
        """Return the claims that must have one of `clients`.

        An access token has an `aud` only if it was asked for one API (RFC 8707), or if a trigger copies the client
        there. Unless the operator lists that API, the token is for another one.
        """
        lists_apis = isinstance(self.audiences, list) and self.accept == "access_token"
        return ("client_id",) if lists_apis else ("client_id", "aud")

    def problems(self, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
        """Yield the clients that are listed as audiences, which access tokens do not have."""
        yield from super().problems(setting, wrong)
        if self.accept != "access_token" or not isinstance(self.audiences, list):
            return
        for number, audience in enumerate(self.audiences):
            if audience in self.clients:
                message = f"{redacted(audience)} is a client ID, and access tokens name it in client_id, not in aud"
                fix = "remove audiences: clients is enough"
                yield Problem(setting=f"{setting}.audiences[{number}]", message=message, fix=fix)


PRESET = provider(CognitoIssuer, "Amazon Cognito")
