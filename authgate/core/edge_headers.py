"""Headers that an edge fills from its cookie.

An edge is a proxy in front of yours that signs users in, such as Cloudflare Access. It keeps the session in a cookie of
its own, and adds a token to every request with this cookie, also to one that another site made the browser send. So
such a header is like a cookie: browsers send it by themselves.

This is the only list. A header that scripts commonly set themselves, such as Authorization or X-Access-Token, is not in
it, although some edges fill it, too.
"""

from __future__ import annotations

# Lower-case.
FILLED_FROM_COOKIES = frozenset(
    {
        "cf-access-jwt-assertion",  # Cloudflare Access
        "x-goog-iap-jwt-assertion",  # Google Identity-Aware Proxy
        "x-amzn-oidc-data",  # AWS Application Load Balancer
        "x-amzn-oidc-accesstoken",
        "x-amzn-oidc-identity",
        "x-amzn-ava-user-context",  # AWS Verified Access
        "x-ms-token-aad-id-token",  # Azure App Service and Container Apps, one pair for each of their providers
        "x-ms-token-aad-access-token",
        "x-ms-token-google-id-token",
        "x-ms-token-google-access-token",
        "x-ms-token-facebook-access-token",
        "x-ms-token-microsoftaccount-access-token",
        "x-ms-token-twitter-access-token",
        "x-forwarded-access-token",  # oauth2-proxy as a reverse proxy; Databricks Apps
        "x-auth-request-access-token",  # oauth2-proxy behind auth_request or forward auth
        "x-authentik-jwt",  # authentik's proxy outpost
        "x-pomerium-jwt-assertion",  # Pomerium
        "teleport-jwt-assertion",  # Teleport's application access
        "x-vouch-idp-idtoken",  # Vouch Proxy
        "x-vouch-idp-accesstoken",
    }
)


def is_filled_from_cookie(header: str) -> bool:
    """Whether an edge fills the header called *header*, in any case, from a cookie."""
    return header.lower() in FILLED_FROM_COOKIES
