"""Preset `supabase`: docs/issuers/supabase.md."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from authgate.config._outbound import redacted
from authgate.core.demands import Demand, has, lists
from authgate.core.errors import Problem
from authgate.presets.other_kinds import OtherKind
from authgate.presets.provider import Facts, ProviderIssuer, Texts, anonymous_accounts, anonymous_advice, provider, url

if TYPE_CHECKING:
    from collections.abc import Iterator

_REF = r"[a-z0-9]{20}"
_FIX_REF = "copy the Project ID from Project Settings, General: it has 20 lower-case letters"
_AUTH = "/auth/v1"
_OTHER_KINDS = (
    OtherKind(
        claims={"role": "anon|service_role"},
        sentence="The token is an API key of Supabase (anon or service_role), which names no user. supabase-js sends "
        "the anon key if nobody is signed in. Send the `access_token` of the user's session in Authorization.",
    ),
)


def _project_ref(text: str) -> str:
    if re.fullmatch(_REF, text):
        return text
    # Not quoted: it may be a key. A URL of Supabase contains no key.
    within = re.search(rf"(?<![a-z0-9]){_REF}(?![a-z0-9])", text) if "supabase.co" in text else None
    raise ValueError(f"is not the ID of a project\n{f'write {within[0]}' if within else _FIX_REF}")


def _project_url(text: str) -> str:
    if "supabase.com/" in text:
        raise ValueError(f"{redacted(text, 200)} is a page of the dashboard\nset project_ref: {_FIX_REF}")
    base = re.sub(r"/(?:auth|rest|storage|realtime|functions)/v1(?:/.*)?$", "", text)
    if base != text:
        raise ValueError(f"{redacted(text, 200)} is the URL of a part of the project\nwrite {base}")
    return text


class SupabaseIssuer(ProviderIssuer):
    """Access tokens of the users of a Supabase project."""

    asks: ClassVar[tuple[str, ...]] = ("project_ref",)
    alternatives: ClassVar[tuple[str, ...]] = ("project_ref", "project_url")
    issuer_settings: ClassVar[tuple[str, ...]] = ("project_url", "project_ref")
    jwt_fix: ClassVar[str] = (
        "Send the `access_token` of a user's session. Keys that begin with sb_publishable_ or sb_secret_ name no user."
    )
    not_settings: ClassVar[dict[str, str]] = {"url": "write project_ref, or project_url if you host Supabase yourself"}

    preset: Literal["supabase"]
    """supabase: the issuer is a project of Supabase."""
    project_ref: Annotated[
        Annotated[str, AfterValidator(_project_ref)] | None, Field(examples=["abcdefghijklmnopqrst"])
    ] = None
    """The Project ID, which is the first part of the project's URL. Set this also if the project has a domain of its
    own. For the legacy JWT secret, also set `secret_env`, `secret_file` or `secret`."""
    project_url: Annotated[str, url(_project_url)] | None = None
    """The URL of a Supabase that you host yourself or run by its CLI, for example http://127.0.0.1:54321. Set this or
    `project_ref`."""
    oauth_clients: Texts | None = None
    """The IDs of the OAuth clients whose tokens are accepted, too (claim client_id). Default: none, so a user's token
    for another application is refused."""
    anonymous: Literal["refuse", "allow"] = "refuse"
    """Whether to allow users who signed in anonymously."""

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        return Facts(
            issuer=(self.project_url or f"https://{self.project_ref}.supabase.co") + _AUTH,
            audiences=["authenticated"],  # the same in every project
            identity={
                # `role` is a role of the database. Users write user_metadata themselves.
                "roles": ["app_metadata.roles", "app_metadata.role", "user_role"],
                "name": ["user_metadata.full_name", "user_metadata.name"],
                "session_id": ["session_id"],
                "acr": ["aal"],
            },
            demands=(
                has("role", accepted=("authenticated",)),  # the anon key and the service_role key have other roles
                has("session_id"),
                lists("oauth_clients", "client_id", accepted=self.oauth_clients or (), optional=True),
                *self._states_anonymous(),
            ),
            user_claims=("user_metadata",),
            other_kinds=_OTHER_KINDS,
        )

    def _states_anonymous(self) -> tuple[Demand, ...]:
        """Return the demand that a token says in a way that AuthGate reads whether its user is anonymous."""
        states = has("is_anonymous", accepted=(True, False, "true", "false", "1", "0"))
        return (replace(states, setting="anonymous", fixed=True),) if self.anonymous == "refuse" else ()

    def problems(self, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
        """Yield what is wrong with the project."""
        yield from super().problems(setting, wrong)
        if wrong.isdisjoint({"project_ref", "project_url"}) and (self.project_ref is None) == (
            self.project_url is None
        ):
            message = "is missing" if self.project_ref is None else "and project_url are both set"
            fix = f"{_FIX_REF}; or set project_url alone if you host Supabase yourself"
            yield Problem(setting=f"{setting}.project_ref", message=message, fix=fix)

    def advice(self) -> Iterator[str]:
        """Yield what is probably not meant."""
        return anonymous_advice(self)


PRESET = provider(SupabaseIssuer, "Supabase", refused_accounts=anonymous_accounts)
