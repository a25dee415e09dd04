"""A Caddy with three sites, with the file that `authgate proxy caddy` makes from a configuration with 30 headers."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.e2e.conftest import ENVIRON
from tests.support import processes
from tests.support.client import Answer, ask, bearer
from tests.support.e2e import sound
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ORIGIN = "https://app.example.com"
TITLE = 'Tasks {env.HOME} {$HOME} `{http.request.uuid}` \\ <b> "Zoë"'
# Short, long and unusual names. Each has a claim of its own.
ODD = ("X", "Sub", "Remote-User", "X-1", "X-User-Id-2", "A1-B2-C3", "X-" + "Long-" * 20 + "Name")
CLAIMS = {name: f"c{number}" for number, name in enumerate((*ODD, *(f"X-Claim-{n}" for n in range(21))))}
HEADERS = {"X-User-Id": "subject"} | {name: f"claims.{claim}" for name, claim in CLAIMS.items()}
CONFIG = f"""
issuers:
  - {{name: app, preset: jwt, secret_env: APP_SECRET, audiences: [tasks]}}
headers: {json.dumps(HEADERS)}
cors: {{allowed_origins: ["{ORIGIN}", "https://other.example.com:8443"]}}
page: {{title: {json.dumps(TITLE)}, colour: "#123456", contact: help@example.com}}
credentials: [{{header: X-Token}}, {{header: Authorization}}, {{cookie: app.token}}, {{cookie: "odd|`'~name"}}]
policies:
  - {{name: admin, match: {{host: admin.example.com}}, require: {{roles: {{any_of: [admin]}}}}}}
  - {{name: rest, require: signed_in, headers: {{X-Tenant: claims.tenant}}}}
"""
PUBLIC, APP, ADMIN = "public.example.com", "app.example.com", "admin.example.com"
# The second and the third differ in a header that names the site. They rewrite a path before they ask AuthGate.
SITES = """
{
	admin off
	persist_config off
	servers {
		max_header_size 28672
		trusted_proxies static 127.0.0.1
	}
}
import authgate.caddy
(protected) {
	bind 127.0.0.1
	import authgate_errors
	rewrite /before/* /rewritten
	handle {
		import authgate {
			import authgate_strip
			request_header X-Site {args[0]}
			reverse_proxy {$TASKS_URL}
		}
	}
}
(open) {
	bind 127.0.0.1
	import authgate_errors
	handle {
		import authgate_public {
			reverse_proxy {$TASKS_URL}
		}
	}
}
{$CADDY_LISTEN} {
	import protected app
}
"""
ADDRESSES = "".join(
    f"http://{host}:{{port}} {{{{\n import {snippet}\n}}}}\n"
    for host, snippet in ((PUBLIC, "open"), (ADMIN, "protected admin"))
)


def generate(folder: Path, authgate: str) -> Path:
    """Return a Caddyfile of the three sites in *folder*, beside the snippets for this configuration of AuthGate."""
    config = folder / "generating.yaml"
    config.write_text(authgate)
    command = [sys.executable, "-m", "authgate", "proxy", "caddy", "--config", config, "--output", folder]
    subprocess.run(command, env=ENVIRON, cwd=processes.ROOT, check=True, timeout=30, capture_output=True)
    (folder / "Caddyfile").write_text(SITES)
    return folder / "Caddyfile"


@dataclass
class Sites:
    """A running Caddy with the three sites. *authgate* is the port at which it asks."""

    port: int
    authgate: int

    def ask(self, path: str, *headers: str, host: str = APP, **more: Any) -> Answer:
        return ask(self.port, path, *headers, host=host, **more)


@contextmanager
def running(folder: Path, authgate: int, config: str = CONFIG) -> Iterator[Sites]:
    caddyfile = generate(folder, config)
    with ExitStack() as parts:
        upstream = parts.enter_context(processes.echo(folder))
        ports = {"authgate": authgate, "upstream": upstream}
        site = f"{ADDRESSES}http://:{{port}}"
        yield Sites(parts.enter_context(processes.caddy(folder, **ports, config=caddyfile, site=site)), authgate)


def user(**claims: Any) -> str:
    return bearer(mint(sound(**claims)))


@contextmanager
def answering(answer: bytes | None, port: int = 0) -> Iterator[int]:
    """Answer every connection to *port* with *answer*; None: never. Yield the port."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        accepted = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                accepted.append(connection)
                connection.recv(65536)
                if answer is not None:
                    connection.sendall(answer)
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in accepted:
                connection.close()
