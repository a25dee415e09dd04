"""Authorization server metadata: its URLs, and the `jwks_uri` in it (RFC 8414, OpenID Connect Discovery 1.0)."""

from __future__ import annotations

import re

from authgate.core.errors import AuthGateError
from authgate.core.quoting import quoted
from authgate.tokens import _json

_OPENID = "/.well-known/openid-configuration"
_OAUTH = "/.well-known/oauth-authorization-server"
# Entra's documents for all tenants (common, organizations) have the issuer …/{tenantid}/v2.0.
_PLACEHOLDER = re.compile(r"\{[A-Za-z0-9_-]{1,40}\}")


class BadMetadata(AuthGateError):
    """The metadata document cannot be used. The message says why."""


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Return the possible URLs of the metadata of *issuer* (an http or https URL), in the order to try them.

    OpenID Connect appends the well-known path to the issuer's path (Discovery §4). RFC 8414 §3.1 inserts it before
    that path.
    """
    scheme, _, rest = issuer.partition("://")
    authority, _, path = rest.partition("/")
    origin, path = f"{scheme}://{authority}", f"/{path}".rstrip("/")
    return f"{origin}{path}{_OPENID}", f"{origin}{_OAUTH}{path}"


def jwks_uri(document: bytes, issuer: str) -> str:
    """Return the `jwks_uri` in a metadata *document*. Its issuer must be exactly *issuer* (RFC 8414 §3.3, J13)."""
    try:
        metadata = _json.parse_object(document)
    except ValueError as error:
        raise BadMetadata(f"it is not a metadata document: {error}") from None
    stated = metadata.get("issuer")
    if stated != issuer:
        shown = quoted(stated, 120) if isinstance(stated, str) else "missing or not a string"
        raise BadMetadata(
            f"its issuer is {shown}, but the configured issuer is {quoted(issuer, 120)}: {_difference(stated, issuer)}"
        )
    uri = metadata.get("jwks_uri")
    if not isinstance(uri, str):
        raise BadMetadata("it has no jwks_uri")
    return uri


def _difference(stated: object, issuer: str) -> str:
    """Return what to do about an issuer that is not *stated*. A slash at the end is easily missed."""
    if stated == issuer.removesuffix("/"):
        return "remove the / at the end"
    if stated == f"{issuer}/":
        return "add a / at the end"
    if isinstance(stated, str) and (placeholder := _PLACEHOLDER.search(stated)):
        return (
            "this document is for all tenants; set issuer to the `iss` of one tenant's tokens, with the id of the "
            f"tenant in place of {placeholder[0]}"
        )
    return "they must be the same, character by character"
