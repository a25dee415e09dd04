"""Preset `jwt`: signed JWTs of any issuer. docs/formats/jwt.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from authgate.config._outbound import redacted
from authgate.config._types import FEW, ClaimPathText, NonEmpty
from authgate.config.identity_model import RequiredValues
from authgate.core.demands import CLIENT_CLAIMS, lists
from authgate.core.errors import Problem
from authgate.core.snapshot import Accept
from authgate.presets import better_auth
from authgate.presets.preset import LoadedIssuer, Preset, Raw, Variables, secret_in
from authgate.presets.settings import Audiences, JwtSettings, TokenDemands
from authgate.tokens import FORMATS
from authgate.tokens.purpose import states_another_purpose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authgate.core.snapshot import TokenFormat


class SignedJwtSettings(JwtSettings):
    """What issuers have that make signed JWTs and no sessions."""

    # Settings of other presets, and what to write instead.
    not_settings: ClassVar[dict[str, str]] = {"url": "write it as `issuer`, exactly as `iss` of the tokens has it"}

    pem_file: NonEmpty | None = None
    """A file with public keys or certificates in PEM."""
    discovery: Annotated[bool, Field(strict=True)] = False
    """true: take the URL of the JWK Set from the metadata of `issuer` (OpenID Connect Discovery, RFC 8414)."""
    issuer: Annotated[NonEmpty | None, Field(examples=["https://login.example.com"])] = None
    """The exact `iss` of the JWTs. Default: any `iss` is accepted; at most one issuer may leave it out."""
    audiences: Annotated[Audiences | None, Field(examples=["https://api.example.com"])] = None
    """The accepted values of `aud`, or any. A token must have one of them. Required in a file."""
    required_claims: list[ClaimPathText] = Field(default=["exp"], max_length=FEW)
    """The claims that every token must have, by their paths. An empty claim counts as absent. The subject is always
    required. A token without exp never expires."""
    require_claims: RequiredValues = None
    """Claims that must have one of these values, by their paths. The values are exact, types included: 1 is not true. A
    claim that is a list must hold one of them. Write no secrets here: `authgate check` and messages show the values."""
    token_types: list[NonEmpty] = Field(default=["JWT", "at+jwt"], min_length=1, max_length=FEW)
    """The accepted values of the header `typ`, in upper or lower case. A token without `typ` is accepted. Types of
    other kinds of tokens, such as logout+jwt, cannot be listed."""
    accept: Literal["access_token", "id_token", "any"] = "access_token"
    """Which kinds of tokens are accepted, by what their claims and their header `typ` say. access_token: no ID tokens.
    id_token: no access tokens; `audiences` must list your client IDs. any: both. Refresh tokens and logout tokens are
    never accepted. See docs/formats/jwt.md."""

    def demands(self) -> TokenDemands:
        """Return what every token must have."""
        return TokenDemands(
            required_claims=self.required_claims,
            demands=tuple(
                lists("require_claims", path, accepted=accepted, names_client=path in CLIENT_CLAIMS)
                for path, accepted in (self.require_claims or {}).items()
            ),
            token_types=self.token_types,
            accept=self.accept,
        )

    def problems(self, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
        """Yield what is wrong with the kinds of tokens that are accepted."""
        accept = Accept(self.accept)
        if accept is Accept.ID_TOKEN and self.audiences == "any":
            message = "is any, and with accept: id_token the ID tokens of every client of the issuer would pass"
            yield Problem(setting=f"{setting}.audiences", message=message, fix="list your client IDs")
        if "issuer" not in wrong and "/.well-known/" in (self.issuer or ""):
            message = f"{redacted(self.issuer or '', 200)} is the address of a document"
            fix = "write what is before /.well-known/, exactly as `iss` of the tokens has it"
            yield Problem(setting=f"{setting}.issuer", message=message, fix=fix)
        types_are_known = not any(path == "accept" or path.startswith("token_types") for path in wrong)
        if "token_types" in self.model_fields_set and types_are_known:
            for number, name in enumerate(self.token_types):
                if kind := states_another_purpose(name, accept):
                    message = f"{redacted(name)} is the type of {kind}, which accept: {accept} does not accept"
                    yield Problem(setting=f"{setting}.token_types[{number}]", message=message, fix="remove it")


class JwtIssuer(SignedJwtSettings):
    """Signed JWTs. Name exactly one source of keys: one of the secrets, or one of the public keys."""

    preset: Literal["jwt"]
    """jwt: the issuer makes signed JWTs."""


_SECRETS = ("JWT_SECRET", "JWT_SECRET_FILE")


def _secret_variable(environ: Mapping[str, str]) -> str | None:
    """Return the variable of the secret that verifies JWTs.

    Better Auth's secret does too: many front ends sign their own JWTs with it. Beside several secrets, it is an older
    one: it opens what was encrypted under it, and must not sign anything.
    """
    has_several = any(environ.get(name) for name in better_auth.SEVERAL)
    names = _SECRETS if has_several else (*_SECRETS, *better_auth.SECRETS)
    return next((name for name in names if environ.get(name)), None)


def _from_environment(environ: Mapping[str, str]) -> Raw | None:
    variable = _secret_variable(environ)
    if variable is None:
        return None
    audiences = [element.strip() for element in environ.get("AUTHGATE_AUDIENCE", "").split(",")]
    return {
        "name": "jwt",
        "preset": "jwt",
        **secret_in(variable, environ),
        "audiences": [audience for audience in audiences if audience] if environ.get("AUTHGATE_AUDIENCE") else "any",
    } | ({"issuer": environ["AUTHGATE_ISSUER"]} if environ.get("AUTHGATE_ISSUER") else {})


def _warnings(environ: Mapping[str, str], issuer: Raw | None) -> Iterator[str]:
    if issuer is None:
        for name in _ONLY_WITHOUT_FILE:
            if environ.get(name):
                yield f"{name} has no effect: it is for JWTs under JWT_SECRET or BETTER_AUTH_SECRET"
    elif not environ.get("AUTHGATE_AUDIENCE"):
        yield (
            f"JWTs (HS256) for any audience signed under {_secret_variable(environ)} are accepted: "
            "set AUTHGATE_AUDIENCE to the `aud` of your API's tokens"
        )


_ONLY_WITHOUT_FILE = {"AUTHGATE_AUDIENCE": "audiences", "AUTHGATE_ISSUER": "issuer"}


def _formats(_loaded: LoadedIssuer) -> tuple[TokenFormat, ...]:
    return (FORMATS["jwt"],)


PRESET = Preset(
    settings=JwtIssuer,
    variables=Variables(
        usual="JWT_SECRET",
        secrets=_SECRETS,
        issuer=_from_environment,
        only_without_file=_ONLY_WITHOUT_FILE,
        rivals=(("JWT_SECRET", "BETTER_AUTH_SECRET", "JWT_SECRET_FILE", "BETTER_AUTH_SECRET_FILE"),),
        warnings=_warnings,
    ),
    formats=_formats,  # the secret is itself the key (issuers.py)
)
