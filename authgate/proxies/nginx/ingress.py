"""ingress-nginx: annotations of an Ingress, and values for the controller's Helm chart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.presets.settings import is_loopback
from authgate.proxies._templates import fill
from authgate.proxies.nginx.generator import GENERATED, removed_names, shared_blocks

if TYPE_CHECKING:
    from authgate.proxies.settings import ProxySettings

_FILES = ("ingress-annotations.yaml", "ingress-values.yaml")


def files(settings: ProxySettings) -> dict[str, str]:
    """Return the content of each file by its name."""
    names = (*settings.reserved_headers, *removed_names(settings))
    blocks = {
        **shared_blocks(settings),
        "url": settings.url,
        "copy": ", ".join(settings.reserved_headers),
        "remove": [f'"{name}": ""' for name in names],
    }
    return {name: GENERATED + fill(f"nginx/{name}", **blocks) for name in _FILES}


def address_problem(settings: ProxySettings) -> str | None:
    """Return why ingress-nginx cannot ask AuthGate at its address; None if it can."""
    if settings.is_tls:
        return (
            "ingress-nginx does not verify the certificate of auth-url, so another server could answer instead of "
            "AuthGate: use --address HOST:PORT, and allow only the controller's pods to connect"
        )
    if settings.address.startswith("unix:"):
        return "ingress-nginx cannot ask a Unix socket: let AuthGate listen at a port, or use --address"
    if is_loopback(settings.url):
        return (
            "ingress-nginx does not reach AuthGate at a loopback address: name its Service, for example "
            "--address authgate.authgate.svc:4190"
        )
    return None
