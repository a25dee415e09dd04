"""What ingress-nginx 1.15 makes of annotations and of values for its chart, as a configuration for a real nginx.

It covers what forward authentication depends on. Its Lua (balancing, `auth-keepalive`) is left out.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.support.documented_site import MAIN, PATHS
from tests.support.processes import program, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

PREFIX = "nginx.ingress.kubernetes.io/"

_HTTP = """
http {{
access_log off;
{paths}
map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
underscores_in_headers off;
ignore_invalid_headers on;
variables_hash_max_size 4096;
{http}
{servers}
}}
"""
_SERVER = """
server {{
    listen 127.0.0.1:{port};
    large_client_header_buffers {client_buffers};
    proxy_headers_hash_max_size {hash_max_size};
    proxy_headers_hash_bucket_size {hash_bucket_size};
    {auth}
    location / {{
        {asking}
        {signin}
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Scheme $scheme;
        proxy_set_header X-Scheme $scheme;
        proxy_set_header Proxy "";
        {removed}
        proxy_buffering off;
        proxy_buffer_size {buffer};
        proxy_buffers 4 {buffer};
        proxy_http_version 1.1;
        proxy_pass http://127.0.0.1:{upstream};
    }}
    {snippet}
}}
"""
# The location for `auth-url`. The buffers are those of the location that it protects.
_AUTH = """
    location = /_external-auth {{
        internal;
        proxy_intercept_errors off;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
        proxy_set_header X-Forwarded-Proto "";
        proxy_set_header X-Request-ID $request_id;
        proxy_set_header Host authgate.authgate.svc;
        proxy_set_header X-Original-URL $scheme://$http_host$request_uri;
        proxy_set_header X-Original-Method $request_method;
        proxy_set_header X-Sent-From "nginx-ingress-controller";
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Auth-Request-Redirect $request_uri;
        proxy_buffering off;
        proxy_buffer_size {buffer};
        proxy_buffers 4 {buffer};
        proxy_request_buffering on;
        proxy_ssl_server_name on;
        proxy_http_version 1.1;
        set $target {url};
        proxy_pass $target;
    }}
    location @signin {{ internal; return 302 {signin}?{parameter}=$scheme://$http_host$request_uri; }}
"""


def server(port: int, upstream: int, annotations: Mapping[str, str], controller: Mapping[str, Any]) -> str:
    """Return the server of an Ingress with these *annotations*, under the chart's values for its *controller*."""
    stated = {name.removeprefix(PREFIX): value for name, value in annotations.items()}
    config, url = controller.get("config", {}), stated.get("auth-url")
    buffer, signin = stated.get("proxy-buffer-size", "4k"), stated.get("auth-signin", "")
    parameter = stated.get("auth-signin-redirect-param", "rd")
    asking = ["auth_request /_external-auth;"] if url else []
    for number, name in enumerate(stated.get("auth-response-headers", "").replace(" ", "").split(",")):
        if name:
            asking.append(f"auth_request_set $authHeader{number} $upstream_http_{name.lower().replace('-', '_')};")
            asking.append(f"proxy_set_header '{name}' $authHeader{number};")
    return _SERVER.format(
        port=port,
        upstream=upstream,
        auth=_AUTH.format(url=url, buffer=buffer, signin=signin, parameter=parameter) if url else "",
        asking="\n        ".join(asking),
        signin="error_page 401 = @signin;" if signin else "",
        removed="\n        ".join(f'proxy_set_header {name} "";' for name in controller.get("proxySetHeaders", ())),
        buffer=buffer,
        client_buffers=config.get("large-client-header-buffers", "4 8k"),
        hash_max_size=config.get("proxy-headers-hash-max-size", "512"),
        hash_bucket_size=config.get("proxy-headers-hash-bucket-size", "64"),
        snippet=config.get("server-snippet", ""),
    )


@contextmanager
def ingress_nginx(folder: Path, servers: Sequence[str], port: int, http: str = "") -> Iterator[None]:
    """Run nginx on *servers*, with *http* (the controller's `http-snippet`), until *port* answers."""
    binary = program("nginx", fix="apt-get install nginx-light")
    text = MAIN + _HTTP.format(paths=PATHS, http=http, servers="".join(servers))
    (folder / "nginx.conf").write_text(text)
    for made in (folder, *folder.parents):  # nginx's workers may be another user
        if made.is_relative_to(tempfile.gettempdir()) and str(made) != tempfile.gettempdir():
            made.chmod(0o755)
    command = [binary, "-p", folder, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]
    with running(command, folder / "nginx.log", port=port):
        yield
