"""Presets: everything that AuthGate knows about a kind of issuer. Each has its own file.

To add a preset, add its file, with a `Preset` in it, and a row to PRESETS; for an identity provider, to PROVIDERS in
`providers/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Union, cast

from pydantic import Field, create_model

from authgate.config._annotations import Tagged
from authgate.presets import authjs, better_auth, jwt, nextauth_v4
from authgate.presets.provider import ProviderIssuer
from authgate.presets.providers import PROVIDERS
from authgate.presets.settings import IssuerSettings, SessionSettings

if TYPE_CHECKING:
    from authgate.presets.preset import Preset

# By the value of `preset`.
PRESETS: dict[str, Preset] = {
    "better-auth": better_auth.PRESET,
    "jwt": jwt.PRESET,
    "authjs": authjs.PRESET,
    "nextauth-v4": nextauth_v4.PRESET,
    **PROVIDERS,
}

_MODELS = {name: preset.settings for name, preset in PRESETS.items()}


class _UnknownPreset(IssuerSettings):
    has_sessions: ClassVar[bool] = False
    only_with_secret: ClassVar[frozenset[str]] = frozenset()


_OTHER_MODELS = tuple(model for model in _MODELS.values() if not issubclass(model, ProviderIssuer))
# The settings of providers may have one name and several types, and none of them is known to be missing.
_OF_PROVIDERS: dict[str, Any] = {
    name: (Any, None)
    for model in _MODELS.values()
    if issubclass(model, ProviderIssuer)
    for name in model.own_settings()
    if not any(name in other.model_fields for other in _OTHER_MODELS)
}


# The settings of all presets: what an issuer is checked against if its preset is wrong or missing.
_any_issuer: type[IssuerSettings] = create_model(
    "AnyIssuer",
    __base__=cast(
        "Any",
        (_UnknownPreset, *_OTHER_MODELS),
    ),
    __doc__="An issuer whose tokens and sessions are accepted. docs/formats has a page for each preset.",
    **_OF_PROVIDERS
    | {"preset": (cast("type[str]", Literal[tuple(PRESETS)]), Field(description="What the issuer makes."))},
)

if TYPE_CHECKING:
    AnyIssuer = IssuerSettings
    IssuerConfig = IssuerSettings
else:
    AnyIssuer = _any_issuer
    IssuerConfig = Annotated[
        Union[tuple(_MODELS.values())],  # noqa: UP007 - it is computed
        Field(discriminator="preset"),
        Tagged(setting="preset", models=_MODELS, otherwise=AnyIssuer),
    ]


def default_cookie_names() -> tuple[str, ...]:
    """Return the libraries' own names of the session cookies of all presets, without `__Secure-`."""
    models = (preset.settings for preset in PRESETS.values())
    return tuple(name for model in models if issubclass(model, SessionSettings) for name in model.default_cookies())
