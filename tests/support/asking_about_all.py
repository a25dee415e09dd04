"""Proxies that ask AuthGate about every path, as their pages say under "Let policies decide".

Each has its shipped files, the lines for X-Tenant from its page, and /unasked/, a public route that does not ask.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import yaml

from tests.support import generated, processes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

DEPLOY = processes.ROOT / "deploy"
HEADING = "Let policies decide"


def nginx(folder: Path, authgate: int, upstream: int) -> AbstractContextManager[int]:
    files = folder / "changed"
    shutil.copytree(DEPLOY / "nginx", files)
    generated.write(files, "nginx", "X-Tenant")
    location = "location / { include authgate_protect.conf; include authgate_forward.conf; proxy_pass http://tasks; }\n"
    unasked = location.replace("location /", "location /unasked/").replace("protect", "public")
    (files / "tasks.conf").write_text(location + unasked)
    return processes.nginx(folder, authgate=f"127.0.0.1:{authgate}", upstream=upstream, files=files)


def traefik(folder: Path, authgate: int, upstream: int) -> AbstractContextManager[int]:
    files = folder / "changed"
    shutil.copytree(DEPLOY / "traefik", files)
    generated.write(files, "traefik", "X-Tenant")
    routes = yaml.safe_load((files / "dynamic" / "routes.yml").read_text())
    routes["http"]["routers"] = {
        "all": {"rule": "PathPrefix(`/`)", "service": "tasks", "middlewares": ["authgate"]},
        "unasked": {"rule": "PathPrefix(`/unasked/`)", "service": "tasks", "middlewares": ["authgate-public"]},
    }
    (files / "dynamic" / "routes.yml").write_text(yaml.safe_dump(routes))
    return processes.traefik(folder, authgate=authgate, upstream=upstream, files=files)


CADDYFILE = """{
	admin off
	persist_config off
	servers {
		max_header_size 28672
	}
}
import authgate.caddy
{$CADDY_LISTEN} {
	bind 127.0.0.1
	import authgate_errors
	handle /unasked/* {
		import authgate_public {
			reverse_proxy {$TASKS_URL}
		}
	}
	handle {
		import authgate {
			reverse_proxy {$TASKS_URL}
		}
	}
}
"""


def caddy(folder: Path, authgate: int, upstream: int) -> AbstractContextManager[int]:
    generated.write(folder, "caddy", "X-Tenant")
    (folder / "Caddyfile").write_text(CADDYFILE)
    return processes.caddy(folder, authgate=authgate, upstream=upstream, config=folder / "Caddyfile")


# How to start each: with a folder, the port of AuthGate and that of the upstream. The context is the proxy's port.
START: Mapping[str, Callable[[Path, int, int], AbstractContextManager[int]]] = {
    "nginx": nginx,
    "traefik": traefik,
    "caddy": caddy,
}
