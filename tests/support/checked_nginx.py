"""Configurations of nginx for the checks of `authgate proxy nginx --check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.proxies.findings import Finding, Source, Unusable
from authgate.proxies.nginx import generator as nginx
from authgate.proxies.nginx.check import findings
from authgate.proxies.settings import default_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate.proxies.settings import ProxySettings

_SETTINGS = default_settings()
GENERATED = nginx.files(_SETTINGS)
PROTECTED = "location /api/ { include authgate_protect.conf; proxy_pass http://tasks; }"
PUBLIC = "location = /healthz { include authgate_public.conf; proxy_pass http://tasks; }"


def main(locations: str, *, servers: str = "") -> str:
    """Return an nginx.conf with the generated files, these *locations* and more *servers*."""
    return f"""events {{}}
http {{
include authgate_upstream.conf;
include authgate_http.conf;
server {{
listen 8080;
include authgate_server.conf;
{locations}
}}
{servers}
}}
"""


def check(text: str, files: Mapping[str, str] = GENERATED, settings: ProxySettings = _SETTINGS) -> list[Finding]:
    """Return the findings about *text* for *settings*. It includes *files*, from any folder."""

    def included(pattern: str) -> list[tuple[str, str]]:
        name = pattern.rpartition("/")[2]
        if name not in files:
            raise Unusable(name, None, "there is no such file")
        return [(name, files[name])]

    return findings(Source(name="nginx.conf", text=text, included=included), settings)


def errors(found: list[Finding]) -> list[str]:
    return [finding.message for finding in found if finding.is_error]


def warnings(found: list[Finding]) -> list[str]:
    return [finding.message for finding in found if not finding.is_error]
