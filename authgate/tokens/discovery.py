"""Authorization server metadata: where it lies and what it says of keys (RFC 8414, OpenID Connect Discovery 1.0)."""

from __future__ import annotations

from authgate.core.errors import AuthGateError, quoted
from authgate.tokens import _json

_OPENID = "/.well-known/openid-configuration"
_OAUTH = "/.well-known/oauth-authorization-server"


class BadMetadata(AuthGateError):
    """The document cannot be used; the message says why."""


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Return where the metadata of *issuer* (an http(s) URL) may lie, in the order to ask.

    OpenID Connect appends the well-known path to the issuer (Discovery §4), RFC 8414 §3.1 puts it before its path.
    """
    scheme, _, rest = issuer.partition("://")
    authority, _, path = rest.partition("/")
    origin, path = f"{scheme}://{authority}", f"/{path}".rstrip("/")
    return f"{origin}{path}{_OPENID}", f"{origin}{_OAUTH}{path}"


def jwks_uri(document: bytes, issuer: str) -> str:
    """Return the `jwks_uri` of a metadata *document* that speaks for exactly *issuer* (RFC 8414 §3.3, J13)."""
    try:
        metadata = _json.parse_object(document)
    except ValueError as error:
        raise BadMetadata(f"it is not a metadata document: {error}") from None
    found = metadata.get("issuer")
    if found != issuer:
        shown = quoted(found, 120) if isinstance(found, str) else "missing or no string"
        raise BadMetadata(
            f"its issuer is {shown}, but this issuer is configured as {quoted(issuer, 120)}: they must be the same, "
            "character by character"
        )
    uri = metadata.get("jwks_uri")
    if not isinstance(uri, str):
        raise BadMetadata("it has no jwks_uri")
    return uri
