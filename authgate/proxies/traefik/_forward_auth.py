"""What is wrong with the middleware that asks AuthGate (forwardAuth), also for a Traefik behind another proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.proxies.findings import UNVERIFIED, named
from authgate.proxies.traefik._model import TRUE, as_list, finding_at, request_headers
from authgate.proxies.traefik.generator import ROUTED_BY_HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authgate.proxies.findings import Finding
    from authgate.proxies.traefik._model import Part

# What forwardAuth takes from the request if trustForwardHeader is true, and what AuthGate decides about.
_DECIDING = ("X-Forwarded-Method", ROUTED_BY_HOST, "X-Forwarded-Uri")
_SETTINGS: tuple[tuple[str, Callable[[str], bool], str, str, bool], ...] = (
    (
        "tls.insecureskipverify",
        TRUE.__contains__,
        UNVERIFIED,
        "insecureSkipVerify: false, and the ca of AuthGate's certificate",
        True,
    ),
    (
        "trustforwardheader",
        lambda value: not value,
        "trustForwardHeader is not set: Traefik passes X-Forwarded-Prefix of clients on",
        "trustForwardHeader: false",
        False,
    ),
    (
        "maxresponsebodysize",
        lambda value: not value,
        "maxResponseBodySize is not set: Traefik reads answers of any size",
        "maxResponseBodySize: 16384",
        False,
    ),
    (
        "forwardbody",
        TRUE.__contains__,
        "forwardBody: the body of requests is sent to AuthGate, which does not read it",
        "forwardBody: false",
        False,
    ),
)


def forward_auth_findings(asking: Part, chain: list[Part], points: list[Part]) -> Iterator[Finding]:
    """Yield what is wrong with *asking*, a part of *chain* at the entry points *points* (none if they are unknown)."""
    for name, wrong, message, fix, is_error in _SETTINGS:
        if wrong(asking.settings.text("forwardauth", *name.split(".")).lower()):
            yield finding_at(asking, message, fix, is_error=is_error)
    is_trusting = asking.settings.text("forwardauth", "trustforwardheader").lower() in TRUE
    before = chain[: chain.index(asking)]
    removed = {name for part in before for name, value in request_headers(part).items() if not value}
    kept = [name for name in _DECIDING if name.lower() not in removed]
    trusted = [point for point in points if as_list(point.settings.at("forwardedheaders", "trustedips"))]
    if is_trusting and kept:
        message = f"trustForwardHeader: with {named(kept)}, a client names what AuthGate decides about"
        fix = "trustForwardHeader: false. Behind another proxy, generate Traefik's files again with --behind"
        yield finding_at(asking, message, fix)
    elif is_trusting and points and not trusted:
        message = "trustForwardHeader is true, but no entry point trusts a proxy before Traefik"
        yield finding_at(asking, message, "forwardedHeaders.trustedIPs: the addresses of that proxy", is_error=False)
    elif trusted and not is_trusting:
        message = "trustForwardHeader is false: AuthGate sees the address and scheme of the proxy before Traefik"
        yield finding_at(asking, message, "Generate Traefik's files again with --behind", is_error=False)
