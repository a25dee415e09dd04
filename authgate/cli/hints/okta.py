"""A hint about the access tokens that Okta makes for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authgate.cli.hints.case import Case

# Okta writes it into the header of the access tokens of its org authorization server, since March 2024.
_TYPE = "application/okta-internal-at+jwt"


def token_of_the_org(case: Case) -> str:
    """Say that the token is from the org authorization server, whose access tokens only Okta can verify."""
    if case.jws is None or (case.jws.token_type or "").lower() != _TYPE:
        return ""
    return (
        "The token is from Okta's org authorization server. It is for Okta's own API, and nobody else can verify it. "
        "The client has to use a custom authorization server, such as https://acme.okta.com/oauth2/default: "
        "docs/issuers/okta.md."
    )
