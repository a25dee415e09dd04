"""No spelling of a path leads past AuthGate: spellings, through real proxies, to real upstreams.

Each test prints a table with a line for each spelling and a column for each upstream. To see the tables, run

    .venv/bin/pytest -s tests/matrix/test_paths.py

A spelling is a row of tests/support/targets.py. A row of authgate/core/spellings.py adds its examples.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import pytest

from authgate.core.spellings import SPELLINGS
from tests.support import processes
from tests.support.client import bearer
from tests.support.e2e import sound
from tests.support.raw_connection import RawConnection
from tests.support.sites import START, Ports, Route, site
from tests.support.targets import ORDINARY, TARGETS
from tests.support.tokens import SECRET, mint
from tests.support.upstreams import UPSTREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.support.upstreams import Lines

ENVIRON = {"APP_SECRET": SECRET.decode()}
# Only administrators may use /api/**. What is around it differs by the last part of the host.
CONFIG = """
issuers:
  - {name: app, preset: jwt, secret_env: APP_SECRET, audiences: [tasks]}
policies:
  - {name: api, match: {path: /api/**}, require: {roles: {any_of: [admin]}}}
  - {name: public, match: {host: "*.public.example"}, public: true}
  - {name: optional, match: {host: "*.optional.example"}, optional: true}
  - {name: rest, require: signed_in}
"""
READINGS = {"refuse": "", "data": "paths: {encoded_slash: data, semicolon: data}\n"}
# The settings of `paths` change the decision for these.
DATA = tuple(
    target
    for target in TARGETS
    if target in ORDINARY or any(spelling.setting and spelling.is_in(target) for spelling in SPELLINGS)
)


@dataclass(frozen=True)
class Kind:
    """A kind of site: its letter in hosts, its shape, who sends the requests, and who the page's user is."""

    name: str
    shape: str
    is_signed_in: bool
    user: str


KINDS = (
    Kind("public", "asks", is_signed_in=False, user=""),
    Kind("optional", "asks", is_signed_in=True, user="user-1"),
    Kind("protected", "asks", is_signed_in=True, user="user-1"),
    Kind("around", "around", is_signed_in=False, user=""),
)
# An upstream without a proxy trusts the header that the client sent.
NO_PROXY = Kind("", "", is_signed_in=False, user="admin")
LEGEND = """
The senders of these requests may not use the protected handler, /api/**. A cell has one sign for each kind of site
over HTTP/1, and then the same over HTTP/2:

  1. Every request asks AuthGate, and the policy around /api/** is public. No credential.
  2. The same with an optional policy. The user is signed in, but is not an administrator.
  3. The same with a policy that requires a signed-in user. The same user.
  4. The proxy asks AuthGate about /api only; its other routes are public. No credential.

  .  the request was refused         p  a page for everyone answered
  A  the protected handler answered  !  another identity than AuthGate's arrived

""" + "\n".join(f"  {name:10} {what}" for name, what in UPSTREAMS.items())
USER = bearer(mint(sound()))


def host(upstream: str, kind: Kind) -> str:
    return f"{upstream}.{kind.name}.example"


@dataclass(frozen=True)
class Sites:
    """The proxies before each upstream, by name, with AuthGate behind them. *reading* is its setting of `paths`."""

    reading: str
    ports: dict[str, Ports]


@pytest.fixture(scope="module", params=READINGS)
def sites(
    request: pytest.FixtureRequest, upstream_ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sites]:
    folder = tmp_path_factory.mktemp("paths")
    routes = [Route(host(name, kind), port, kind.shape) for name, port in upstream_ports.items() for kind in KINDS]
    with ExitStack() as parts:
        config = READINGS[request.param] + CONFIG
        authgate = parts.enter_context(processes.authgate(folder, config, environ=ENVIRON))
        ports = {proxy: parts.enter_context(site(proxy, folder, authgate, ENVIRON, routes)) for proxy in START}
        yield Sites(request.param, ports)


def sign(kind: Kind, status: int, body: str) -> str:
    """Return the sign for an answer in a cell of the table."""
    handler, _, user = body.partition(" ")
    if status == 200 and handler == "protected":
        return "A"
    if status == 200 and handler == "page":
        return "p" if user == kind.user else "!"
    return "."  # Caddy answers 200 without a body to hosts that it does not know


def over_http1(port: int, targets: Sequence[str], name: str, kind: Kind) -> list[str]:
    """Return the sign of each target for the host *name*."""
    user = f"{USER}\r\n" if kind.is_signed_in else ""
    rest = f" HTTP/1.1\r\nHost: {name}\r\nX-User-Id: admin\r\n{user}\r\n"
    with RawConnection(port) as connection:
        return [sign(kind, *connection.ask(f"GET {target.replace('HOST', name)}{rest}")) for target in targets]


def over_http2(lines: Lines, port: int, targets: Sequence[str], name: str, kind: Kind) -> list[str]:
    """Return the sign of each target for the host *name*."""
    head = {":authority": name, "x-user-id": "admin"}
    if kind.is_signed_in:
        head["authorization"] = USER.partition(" ")[2]
    # Node writes header values as Latin-1.
    paths = (target.replace("HOST", name).encode("utf-8", "surrogateescape").decode("latin-1") for target in targets)
    answers = lines.ask(http2=port, ask=[{**head, ":path": path} for path in paths])
    return [sign(kind, answer["status"], answer["body"]) for answer in answers]


def joined(columns: Sequence[Sequence[str]]) -> list[str]:
    return ["".join(cells) for cells in zip(*columns, strict=True)]


def printed(title: str, targets: Sequence[str], columns: Mapping[str, Sequence[str]]) -> None:
    """Print a table. *columns* are the cells by upstream."""
    rows = [title, "", f"{'':36}{''.join(f'{upstream:12}' for upstream in columns)}"]
    for number, target in enumerate(targets):
        rows.append(f"{ascii(target)[1:-1]:36}{''.join(f'{cells[number]:12}' for cells in columns.values())}")
    sys.stdout.writelines(f"{row.rstrip()}\n" for row in ("", *rows, ""))


def test_each_upstream_reads_several_spellings_as_the_protected_path(upstream_ports: dict[str, int]) -> None:
    """Without a proxy. What these tables show as A must not be A in the others."""
    columns = {name: over_http1(upstream_ports[name], TARGETS, "app.example", NO_PROXY) for name in UPSTREAMS}
    printed("No proxy: how the upstreams themselves read each spelling", TARGETS, columns)
    for name, column in columns.items():
        assert column[TARGETS.index("/api/v1/tasks")] == "A"
        assert column.count("A") >= 10, name


@pytest.mark.parametrize("proxy", START)
def test_no_protected_handler_answers_what_the_decision_did_not_cover(
    sites: Sites, node_lines: Lines, proxy: str
) -> None:
    ports, targets = sites.ports[proxy], DATA if sites.reading == "data" else TARGETS
    columns = {}
    for upstream in UPSTREAMS:
        names = {kind: host(upstream, kind) for kind in KINDS}
        first = joined([over_http1(ports.http1, targets, name, kind) for kind, name in names.items()])
        second = joined([over_http2(node_lines, ports.http2, targets, name, kind) for kind, name in names.items()])
        columns[upstream] = [f"{one} {two}" for one, two in zip(first, second, strict=True)]
    printed(f"{proxy}; settings of `paths`: {sites.reading}\n{LEGEND}", targets, columns)
    wrong = {
        (upstream, target): cell
        for upstream, cells in columns.items()
        for target, cell in zip(targets, cells, strict=True)
        if {"A", "!"} & {*cell} or (target in ORDINARY and cell != "pppp pppp")
    }
    assert not wrong


NO_PATHS = ("POST *", "PRI *", "GET *", "CONNECT HOST:80", "CONNECT HOST:80/api", "CONNECT /api", "POST x:api/v1/tasks")


@pytest.mark.parametrize("proxy", START)
@pytest.mark.parametrize("line", NO_PATHS)
def test_a_target_that_is_not_a_path_reaches_no_upstream(sites: Sites, proxy: str, line: str) -> None:
    for name, kind in product(UPSTREAMS, KINDS):
        with RawConnection(sites.ports[proxy].http1) as connection:
            head = f"{line.replace('HOST', host(name, kind))} HTTP/1.1\r\nHost: {host(name, kind)}\r\n"
            for token in ("", f"{USER}\r\n"):
                assert sign(kind, *connection.ask(f"{head}Content-Length: 0\r\n{token}\r\n")) == "."


@pytest.mark.parametrize("proxy", START)
def test_an_administrator_reaches_the_protected_handler(sites: Sites, proxy: str) -> None:
    admin = bearer(mint(sound(sub="root", roles=["admin"])))
    with RawConnection(sites.ports[proxy].http1) as connection:
        for name, kind in product(UPSTREAMS, KINDS):
            for path in ("/api/v1/tasks", "/api", "/api/", "/api/a..b/.c", "/api/x?y=/../z", "/api/%20y"):
                head = f"GET {path} HTTP/1.1\r\nHost: {host(name, kind)}\r\nX-User-Id: admin\r\n{admin}\r\n\r\n"
                assert connection.ask(head) == (200, "protected root"), (name, kind.name, path)
