"""The entry points of Traefik: which of them a router is at, what they lack, and who else takes their connections."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from authgate.core.networks import every_address, networks_in
from authgate.proxies.findings import Finding
from authgate.proxies.traefik import generator as traefik
from authgate.proxies.traefik._model import TRUE, Model, Settings, as_list, finding_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.proxies.settings import ProxySettings
    from authgate.proxies.traefik._model import Part

# What Traefik itself adds. A router without entryPoints is not at it.
_INTERNAL = "traefik"


def named_by(router: Part) -> frozenset[str]:
    """Return the lower-case names of the entry points that *router* names."""
    return frozenset(name.lower() for name in as_list(router.settings.at("entrypoints")))


def points_of(router: Part, model: Model) -> frozenset[str]:
    """Return the lower-case names of the entry points that *router* is at. Empty: all, and the files have none.

    A router that names none is at those with asDefault. Without one, it is at all.
    """
    has_default = any(map(_is_default, model.entry_points))
    points = (p for p in model.entry_points if not _is_udp(p) and p.name != _INTERNAL)
    return named_by(router) or frozenset(p.name for p in points if _is_default(p) or not has_default)


def is_at_all_of(refusing: Part, router: Part, model: Model) -> bool:
    """Whether *refusing* gets the same kind of requests as *router*, with TLS or without, at each of its points."""
    if ("tls" in refusing.settings) is not ("tls" in router.settings):
        return False
    is_everywhere = not named_by(refusing) and not any(map(_is_default, model.entry_points))
    wanted = points_of(router, model)
    return is_everywhere or (bool(wanted) and wanted <= points_of(refusing, model))


def trusts_everybody(point: Part) -> bool:
    """Whether *point* takes X-Forwarded-* of every client for true."""
    trusted = point.settings.below("forwardedheaders")
    networks = networks_in(as_list(trusted.at("trustedips")))
    return _is_true(trusted.text("insecure")) or every_address(networks) is not None


def may_be_https(point: Part) -> bool:
    """Whether Traefik may take a request at *point* for one over HTTPS, at a router without tls."""
    trusted = point.settings.below("forwardedheaders")
    is_trusting = _is_true(trusted.text("insecure")) or bool(trusted.at("trustedips"))
    return is_trusting or "tls" in point.settings.below("http")


def entry_point_findings(model: Model, passing: list[Part], settings: ProxySettings, name: str) -> Iterator[Finding]:
    """Yield what the entry points of the routers *passing* lack. *name* is the file that is checked."""
    generated = Model()
    text = traefik.files(settings)["authgate-entrypoint.yml"]
    generated.add(text.replace("  web:\n", "  web:\n    address: any\n"), "authgate-entrypoint.yml")
    wanted = generated.entry_points[0].settings.below("http")
    encoded = [
        ("encodedcharacters", key) for key, value in wanted.below("encodedcharacters").items() if value == "false"
    ]
    used = frozenset[str]().union(*(points_of(router, model) for router in passing))
    for point in (p for p in model.entry_points if p.name in used and not _is_udp(p)):
        http = point.settings.below("http")
        paths = [("aliasheadersstrategy",), *encoded]
        wrong = [path for path in paths if http.at(*path) != wanted.at(*path)]
        if wrong:
            spelt = {word.lower(): word for word in re.findall(r"\w+", text)}
            lines = [f"http.{'.'.join(spelt[name] for name in path)}: {wanted.text(*path)}" for path in wrong]
            message = "lets headers or paths through that Traefik and the upstream may read in different ways"
            if http.below("redirections").at("entrypoint"):
                message = f"redirects no request without a Host, and {message}"
                lines = ["Leave it out of the entryPoints of your routers, or add to it:", *lines]
            yield finding_at(point, message, "\n".join(lines))
        yield from _refusing(point, wanted)
        if trusts_everybody(point):
            message = "forwardedHeaders: clients can claim any address and any host"
            yield finding_at(point, message, "forwardedHeaders: {insecure: false}, and trustedIPs of your proxy only")
        if not http.at("maxheaderbytes"):
            message = "maxHeaderBytes is not set: AuthGate refuses the longest requests, with 431"
            yield finding_at(point, message, f"http.maxHeaderBytes: {wanted.at('maxheaderbytes')}", is_error=False)
    if not model.entry_points:
        message = "no entry point found, so entry points are not checked"
        fix = "Check your static configuration (traefik.yml) too"
        yield Finding(file=name, line=1, subject="", message=message, fix=fix, is_error=False)


def tcp_findings(model: Model, passing: list[Part]) -> Iterator[Finding]:
    """Yield the TCP routers at the entry points of the routers *passing*: Traefik asks them first."""
    points = [points_of(router, model) for router in passing]
    for router in model.tcp_routers:
        own = points_of(router, model)
        if any(not own or not others or own & others for others in points):
            is_tls = "tls" in router.settings
            kind = "TLS connections" if is_tls else "all connections without TLS"
            message = f"takes {kind} to its service before your routers see them: AuthGate is not asked"
            yield finding_at(router, message, "Give it an entry point of its own in entryPoints", is_error=not is_tls)


def _is_true(text: str) -> bool:
    return text.lower() in TRUE


def _is_default(point: Part) -> bool:
    return _is_true(point.settings.text("asdefault"))


def _is_udp(point: Part) -> bool:
    return point.settings.text("address").lower().endswith("/udp")


def _refusing(point: Part, wanted: Settings) -> Iterator[Finding]:
    """Yield the encoded characters that *point* refuses and that the configuration takes as data."""
    for name, value in wanted.below("encodedcharacters").items():
        if value == "true" and point.settings.text("http", "encodedcharacters", name).lower() == "false":
            spelt = {each.lower(): each for each in traefik.ENCODED_CHARACTERS}.get(name, name)
            message = f"{spelt} is false, so Traefik refuses paths that your configuration takes as data"
            yield finding_at(point, message, f"http.encodedCharacters.{spelt}: true", is_error=False)
