"""The configurations of the proxies, generated from AuthGate's own. `authgate proxy` prints them.

To support another proxy, add one file with a function from `ProxySettings` to files, and one row. To check its deployed
files, add one file with a function that returns findings, and one row in `CHECKS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.proxies import caddy, caddy_check, nginx, nginx_check, traefik, traefik_check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from authgate.proxies.findings import Finding, Source
    from authgate.proxies.settings import ProxySettings

# For each proxy, the forms that its configuration may have. The first is the usual one. Each function returns the
# content of each file by its name.
PROXIES: Mapping[str, Mapping[str, Callable[[ProxySettings], dict[str, str]]]] = {
    "nginx": {"files": nginx.files},
    "traefik": {"file": traefik.files, "labels": traefik.labels, "crd": traefik.resources},
    "caddy": {"file": caddy.files},
}

# For each proxy, what checks its deployed files. Each function raises `Unusable` for files that it cannot read.
CHECKS: Mapping[str, Callable[[Source, ProxySettings], Sequence[Finding]]] = {
    "nginx": nginx_check.findings,
    "traefik": traefik_check.findings,
    "caddy": caddy_check.findings,
}
