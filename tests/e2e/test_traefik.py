"""Traefik on the files that `authgate proxy traefik` makes for 30 headers, with routes for several hosts."""

from __future__ import annotations

import shutil
import ssl
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
import trustme

from authgate.core.header_names import OVERRIDES, look_alikes
from authgate.core.spellings import SPELLINGS, spelling_in
from tests.e2e.conftest import CONFIG, ENVIRON
from tests.support import processes
from tests.support.client import Answer, ask, bearer
from tests.support.commands import authgate
from tests.support.e2e import sound
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# From header to claim. YAML reads "No" as a Boolean.
CLAIMS = {"X-User-Id": "sub", "X-9-A1": "odd", "No": "no", **{f"X-Header-{n}": f"claim{n}" for n in range(27)}}
POLICIES = """
  - {name: open, match: {host: b.example.com, path: /news/**}, optional: true}
  - {name: all, require: signed_in, headers: {X-Tenant: claims.policy}}
"""
ROUTES = """
http:
  routers:
    health: {rule: Path(`/healthz`), service: up, middlewares: [authgate-public]}
    a: {rule: Host(`a.example.com`), service: up, middlewares: [authgate]}
    a-tls: {rule: Host(`a.example.com`), service: up, middlewares: [authgate], tls: {}}
    b: {rule: Host(`b.example.com`), service: up, middlewares: [authgate]}
    b-tls: {rule: Host(`b.example.com`), service: up, middlewares: [authgate], tls: {}}
    public: {rule: Host(`public.example.com`), service: up, middlewares: [authgate-public]}
    public-tls: {rule: Host(`public.example.com`), service: up, middlewares: [authgate-public], tls: {}}
    vip-tls: {rule: Host(`vip.example.com`), service: up, middlewares: [authgate-public], tls: {options: vip}}
  services:
    up: {loadBalancer: {servers: [{url: 'http://127.0.0.1:PORT'}]}}
tls:
  options:
    vip: {clientAuth: {caFiles: [CA], clientAuthType: RequireAndVerifyClientCert}}
"""
NAMES = [*CLAIMS, "X-Tenant"]
VALUES = {name: f"value-of-{claim}" for name, claim in {**CLAIMS, "X-Tenant": "policy"}.items()}
TOKEN = bearer(mint(sound(**{value.removeprefix("value-of-"): value for value in VALUES.values()})))
ANY = ssl._create_unverified_context()


@contextmanager
def traefik(folder: Path, config: str) -> Iterator[int]:
    """Run Traefik on the files that AuthGate makes from *config*, and on `ROUTES`; yield its port."""
    files = folder / "files"
    shutil.copytree(processes.ROOT / "deploy" / "traefik", files)
    trustme.CA().cert_pem.write_to_path(folder / "ca.crt")
    with ExitStack() as parts:
        upstream = parts.enter_context(processes.echo(folder))
        running = parts.enter_context(processes.authgate(folder, CONFIG + config, environ=ENVIRON))
        made = authgate("proxy", "traefik", "--config", running.config, "--output", files, environ=ENVIRON)
        assert made.returncode == 0, made.stderr
        routes = {"PORT": str(upstream), "[CA]": f"[{folder / 'ca.crt'}]"}
        (files / "dynamic" / "routes.yml").write_text(processes.replaced(ROUTES, routes))
        yield parts.enter_context(processes.traefik(folder, authgate=running.port, upstream=upstream, files=files))


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    headers = "".join(f"  {name!r}: claims.{claim}\n" for name, claim in CLAIMS.items())
    folder = tmp_path_factory.mktemp("traefik")
    with traefik(folder, f"headers:\n{headers}policies:{POLICIES}") as port:
        yield port
    assert "ERR" not in (folder / "traefik.log").read_text()


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def asked(port: int, scheme: str, host: str, path: str, *headers: str) -> Answer:
    return ask(port, path, *headers, host=host, tls=(ANY, host) if scheme == "https" else None)


def arrived(answer: Answer) -> dict[str, str]:
    """Return the headers that reached the upstream with a value, by their names in lower case."""
    assert answer.status == 200, answer
    return {name.lower(): value for name, value in answer.json["headers"] if value}


@pytest.mark.parametrize("host", ["a.example.com", "b.example.com"])
def test_all_headers_are_copied_for_every_host(port: int, scheme: str, host: str) -> None:
    assert len(NAMES) > 30
    answer = asked(port, scheme, host, "/api", TOKEN)
    assert {name.lower(): value for name, value in VALUES.items()}.items() <= arrived(answer).items()


def test_no_spelling_of_a_header_of_a_client_reaches_an_upstream_over_https(port: int) -> None:
    for name in ("X-User-Id", "No", "X-Tenant", OVERRIDES[0]):
        claimed = [f"{spelling}: forged" for spelling in look_alikes(name)]
        for host, path, *token in (
            ("a.example.com", "/api", TOKEN),
            ("b.example.com", "/news/today"),
            ("public.example.com", "/"),
        ):
            seen = arrived(asked(port, "https", host, path, *claimed, *token))
            assert [header for header, value in seen.items() if "forged" in value] == []
            assert not token or seen.get(name.lower()) == VALUES.get(name)


def test_a_refused_path_gets_400_or_arrives_in_another_spelling(port: int, scheme: str) -> None:
    """On a public route, too. Traefik takes dot segments and empty segments out, and encodes what is not ASCII."""
    for path in (path for spelling in SPELLINGS for path in spelling.examples):
        answer = asked(port, scheme, "public.example.com", path)
        assert answer.status == 400 or spelling_in(answer.json["path"]) is None, path


ORDINARY = [
    *(
        "/",
        "/caf%C3%A9",
        "/a%20b",
        "/a.b/..c/d...",
        "/100%25",
        "/a%25zz",
        "/a%23b",
        "/a%26b",
        "/a%5Bb",
        "/%F0%9F%98%80",
    ),
    *("/a?b=/../%2f%5c", "/x:y", "/*", "/@a,b=c", "/.well-known/x"),
]


def test_an_ordinary_path_arrives_as_it_was_sent(port: int, scheme: str) -> None:
    for path in ORDINARY:
        assert asked(port, scheme, "public.example.com", path).json["path"] == path
        assert asked(port, scheme, "a.example.com", path, TOKEN).json["path"] == path


def test_a_host_that_demands_client_certificates_still_does(port: int) -> None:
    for path in ("/", "/a;b"):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            asked(port, "https", "vip.example.com", path)


def test_a_route_that_asks_refuses_ambiguous_paths_too(port: int, scheme: str) -> None:
    for path in ("/a;b", "/a%00", "/a%2fb", "/a%252fb", "/a%ff", "/a\\b"):
        assert asked(port, scheme, "a.example.com", path, TOKEN).status == 400


def test_what_is_data_for_authgate_is_refused_where_nobody_asks_it(tmp_path: Path) -> None:
    with traefik(
        tmp_path, "paths: {encoded_slash: data, semicolon: data}\npolicies: [{name: all, require: signed_in}]\n"
    ) as port:
        for path in ("/a;b", "/a%3Bb", "/a%2Fb", "/a%2Fb;c", "/a;2fb", "/;/", "/a;41"):
            assert asked(port, "http", "a.example.com", path, TOKEN).json["path"] == path
            assert asked(port, "http", "public.example.com", path).status == 500
        for path in ("/x/..;/b", "/x/..%2Fb", "/x%2f..", "/a%5cb"):
            assert asked(port, "http", "a.example.com", path, TOKEN).status == 400
            assert asked(port, "http", "public.example.com", path).status == 400
        assert asked(port, "http", "public.example.com", "/a?b=%2f%3b").status == 200
