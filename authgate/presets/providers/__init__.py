"""Presets of identity providers. Each is a file with a `PRESET`, a row here, and a page in docs/issuers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.presets.providers import (
    auth0,
    authentik,
    clerk,
    cloudflare_access,
    cognito,
    entra,
    firebase,
    google,
    keycloak,
    kubernetes,
    okta,
    supabase,
    zitadel,
)

if TYPE_CHECKING:
    from authgate.presets.preset import Preset

# By the value of `preset`.
PROVIDERS: dict[str, Preset] = {
    "keycloak": keycloak.PRESET,
    "auth0": auth0.PRESET,
    "entra": entra.PRESET,
    "cognito": cognito.PRESET,
    "clerk": clerk.PRESET,
    "supabase": supabase.PRESET,
    "firebase": firebase.PRESET,
    "google": google.PRESET,
    "okta": okta.PRESET,
    "zitadel": zitadel.PRESET,
    "authentik": authentik.PRESET,
    "cloudflare-access": cloudflare_access.PRESET,
    "kubernetes": kubernetes.PRESET,
}
