"""The configurations of the proxies: generated from AuthGate's own, and checked where they are deployed.

`authgate proxy` prints and checks them. To support another proxy, add one folder and one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate.proxies.caddy import check as caddy_check
from authgate.proxies.caddy import generator as caddy_generator
from authgate.proxies.nginx import check as nginx_check
from authgate.proxies.nginx import generator as nginx_generator
from authgate.proxies.nginx import ingress
from authgate.proxies.traefik import check as traefik_check
from authgate.proxies.traefik import generator as traefik_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from authgate.proxies.findings import Finding, Source
    from authgate.proxies.settings import ProxySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """What AuthGate can do for a proxy.

    *forms* are the forms that its configuration may have, the usual one first. Each function returns the content of
    each file by its name. *check* returns what deployed files lack, and raises `Unusable` for files that it cannot
    read; *reads* says what these files are. *address_problem* returns why the files of a form cannot have the address
    of the settings; None if they can.
    """

    forms: Mapping[str, Callable[[ProxySettings], dict[str, str]]]
    check: Callable[[Source, ProxySettings], Sequence[Finding]]
    reads: str
    address_problem: Callable[[ProxySettings, str], str | None] = lambda _, __: None


PROXIES: Mapping[str, Proxy] = {
    "nginx": Proxy(
        forms={"files": nginx_generator.files, "ingress": ingress.files},
        check=nginx_check.findings,
        reads="nginx.conf, or the output of `nginx -T`",
        address_problem=lambda settings, form: (
            ingress.address_problem(settings) if form == "ingress" else nginx_generator.address_problem(settings)
        ),
    ),
    "traefik": Proxy(
        forms={"file": traefik_generator.files, "labels": traefik_generator.labels, "crd": traefik_generator.resources},
        check=traefik_check.findings,
        reads="the folder with its YAML files, a compose file with labels, or resources of Kubernetes",
        address_problem=lambda settings, _: traefik_generator.address_problem(settings),
    ),
    "caddy": Proxy(
        forms={"file": caddy_generator.files}, check=caddy_check.findings, reads="the output of `caddy adapt`"
    ),
}
