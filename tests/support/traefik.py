"""The Traefik resources of the central deployment, for Traefik's file provider, which needs no API server.

Its fields have the same names, and it refuses an unknown one.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.manifests import KUBERNETES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.manifests import Document


def chart_arguments(about: str = "entryPoints") -> list[str]:
    """Return the arguments of one group of settings that traefik-values.yaml adds to Traefik's command.

    Those about providers.kubernetesCRD would have Traefik look for an API server.
    """
    values = yaml.safe_load((KUBERNETES / "central" / "traefik-values.yaml").read_text())
    return [argument for argument in values["additionalArguments"] if argument.startswith(f"--{about}.")]


def as_file_provider(
    documents: Sequence[Document], *, upstream: str, authgate: str, secret: dict[str, str]
) -> dict[str, Any]:
    """Return Traefik's dynamic configuration of the Middlewares and IngressRoutes in *documents*.

    *upstream* and *authgate* are host:port; *secret* is the path of a file for each key of the Secret authgate-traefik.
    """
    middlewares = {row["metadata"]["name"]: deepcopy(row["spec"]) for row in documents if row["kind"] == "Middleware"}
    for chain in (middlewares["authgate"]["chain"], middlewares["authgate-public"]["chain"]):
        chain["middlewares"] = [middleware["name"] for middleware in chain["middlewares"]]
    forward_auth = middlewares["authgate-ask"]["forwardAuth"]
    forward_auth["address"] = forward_auth["address"].replace("authgate.authgate.svc:4190", authgate)
    assert forward_auth["tls"].keys() == {"caSecret", "certSecret"}
    forward_auth["tls"] = {"ca": secret["ca.crt"], "cert": secret["tls.crt"], "key": secret["tls.key"]}
    routers = {}
    for document in (row for row in documents if row["kind"] == "IngressRoute"):
        for number, route in enumerate(document["spec"]["routes"]):
            routers[f"{document['metadata']['name']}-{number}"] = {
                "rule": route["match"],
                "entryPoints": document["spec"].get("entryPoints", []),
                "middlewares": [middleware["name"] for middleware in route["middlewares"]],
                "service": route["services"][0]["name"],
                "priority": route.get("priority", 0),
            }
    services = {"tasks": {"loadBalancer": {"servers": [{"url": f"http://{upstream}"}]}}}
    return {"http": {"routers": routers, "middlewares": middlewares, "services": services}}
