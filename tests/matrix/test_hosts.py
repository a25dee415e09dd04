"""The host that a proxy routes by is the host that AuthGate is asked about, and the host that the upstream sees."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, product
from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.request import split_authority
from tests.support import processes
from tests.support.client import bearer
from tests.support.e2e import sound
from tests.support.raw_connection import RawConnection
from tests.support.sites import START, Ports, Route, site
from tests.support.tokens import SECRET, mint
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.upstreams import Lines

ENVIRON = {"APP_SECRET": SECRET.decode()}
ADMIN, APP, OTHER = "admin.example.com", "app.example.com", "other.example.com"
CONFIG = f"""
issuers:
  - {{name: app, preset: jwt, secret_env: APP_SECRET, audiences: [tasks]}}
log: {{details: true, allowed: true}}
policies:
  - {{name: admin, match: {{host: [{ADMIN}, "[::1]"]}}, require: {{roles: {{any_of: [admin]}}}}}}
  - {{name: rest, public: true}}
"""


@dataclass(frozen=True)
class Hosts:
    """Proxies before two upstreams, by name: *admin* is the port of the one for administrators."""

    ports: dict[str, Ports]
    admin: int
    authgate: processes.RunningAuthGate


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    folder = tmp_path_factory.mktemp("hosts")
    with ExitStack() as parts:
        authgate = parts.enter_context(processes.authgate(folder, CONFIG, environ=ENVIRON))
        admin, other = (parts.enter_context(processes.echo(folder)) for _ in range(2))
        routes = [Route("", other), Route("[::1]", admin), Route(APP, other), Route(ADMIN, admin)]
        ports = {proxy: parts.enter_context(site(proxy, folder, authgate, ENVIRON, routes)) for proxy in START}
        yield Hosts(ports, admin, authgate)


NAMES = (
    *(ADMIN, APP, OTHER, ADMIN.upper(), f"{ADMIN}.", f"{ADMIN}..", f".{ADMIN}", f"{ADMIN}:80", f"{ADMIN}:443"),
    *(f"{ADMIN}:8080", f"{ADMIN}:", f"{ADMIN}:0", f"{ADMIN}:99999", f"{ADMIN}:x", f"{ADMIN}:80:80", f"{ADMIN}.:80"),
    *(f"x@{ADMIN}", f"{ADMIN}@{APP}", f"{ADMIN}/x", f"{ADMIN}?x", f"{ADMIN}#x", f"{ADMIN}\\x", f"{APP}\\@{ADMIN}"),
    *(f"{APP} {ADMIN}", f"{APP}, {ADMIN}", f"{APP}\t{ADMIN}", f"{APP};{ADMIN}", f"{ADMIN}\x00", f"{ADMIN}\x0b"),
    *("admin%2eexample.com", "admin%2Eexample.com", "admin\u3002example.com", "admin.exampl\u00e9.com"),
    *("%61dmin.example.com", ".", "admin_example.com", "admin.example.com_", "*.example.com", "_"),
    *("localhost", "127.0.0.1", "", " ", "-"),
    *("[::1]", "[::1]:80", "[0:0:0:0:0:0:0:1]", "[::0001]", "[0::1]", "[::1]."),
    *("[::1", "::1", "[::1]x", "[::1%25lo]", "[::1%lo]", "[::ffff:127.0.0.1]", "[v1.x]", "[]"),
)  # fmt: skip
# What a request says about its host: the target, and the values of its Host headers.
SAID: Sequence[tuple[str, Sequence[str]]] = (
    *(("/x", [name]) for name in NAMES),
    *((f"http://{name}/x", [name]) for name in NAMES),
    *((f"http://{one}/x", [other]) for one, other in product((ADMIN, f"{ADMIN}:81"), (APP, "", f"{ADMIN}:82"))),
    *((f"http://{one}/x", [other]) for one, other in product((APP, f"x@{APP}", ""), (ADMIN, f"{ADMIN}:81", "[::1]"))),
    *((f"HTTP://{APP}/x", [ADMIN]), (f"x://{APP}/x", [ADMIN]), (f"https://{APP}", [ADMIN])),
    *((f"http://{APP}?x", [ADMIN]), (f"http://{ADMIN}./x", [APP]), (f"http://{APP}/x", [f"{APP}."])),
    *((f"//{APP}/x", [ADMIN]), (f"http:/{APP}/x", [ADMIN]), (f"http:///{APP}/x", [ADMIN]), (f"http://{ADMIN}", [])),
    *((f"{scheme}://{ADMIN}/x", [APP]) for scheme in ("a1", "h+t", "a.b", "a-b", "HTTPS", "ws")),
    *(("/x", said) for said in ([], [APP, ADMIN], [ADMIN, APP], [ADMIN, ADMIN], [APP, APP], [APP, ""], ["", ADMIN])),
)  # fmt: skip
MORE = ("", f"X-Forwarded-Host: {APP}\r\n", f"Forwarded: host={APP}\r\nX-Original-URL: http://{APP}/\r\n")
_IDS = count(1)


def trace() -> str:
    return f"00-{next(_IDS):032x}-{1:016x}-01"


def logged(authgate: processes.RunningAuthGate, last: str) -> dict[str, dict[str, Any]]:
    """Return the log line of each decision, by its traceparent, as soon as that of *last* is there."""

    def lines() -> dict[str, dict[str, Any]] | None:
        read = map(
            json.loads, (line for line in authgate.log.read_text().splitlines(keepends=True) if line[-1] == "\n")
        )
        by_trace = {line["traceparent"]: line for line in read if "traceparent" in line}
        return by_trace if last in by_trace else None

    return dict(until(lines))


def check(hosts: Hosts, answers: Sequence[tuple[object, str, int, str]]) -> int:
    """Check each answer: a request, its traceparent, status and body. Return how many reached the upstream of ADMIN."""
    reached = [(said, each, json.loads(body)) for said, each, status, body in answers if status == 200 and body]
    decisions = logged(hosts.authgate, reached[-1][1])
    for said, each, seen in reached:
        decided = decisions[each]
        (host,) = (value for name, value in seen["headers"] if name.lower() == "host")
        forwarded = {value for name, value in seen["headers"] if name.lower() == "x-forwarded-host"}
        assert split_authority(host)[0] == decided["host"], said
        assert forwarded <= {host}, said
        for_admins, is_admin_policy = seen["port"] == hosts.admin, decided["policy"] == "admin"
        assert is_admin_policy or not for_admins, said
        # A proxy may take another spelling, "[0::1]" or a dot at the end, for another host. Then AuthGate is stricter.
        if re.sub(r":\d*$", "", host.lower()) == decided["host"]:
            assert is_admin_policy is for_admins, said
    return sum(seen["port"] == hosts.admin for _, _, seen in reached)


@pytest.mark.parametrize("proxy", START)
@pytest.mark.parametrize("user", ["nobody", "administrator"])
def test_the_host_that_a_proxy_routes_by_is_the_host_that_was_decided_on(hosts: Hosts, proxy: str, user: str) -> None:
    token = f"{bearer(mint(sound(roles=['admin'])))}\r\n" if user == "administrator" else ""
    answers = []
    with RawConnection(hosts.ports[proxy].http1) as connection:
        for (target, values), more, version in product(SAID, MORE, ("1.1", "1.0")):
            each = trace()
            lines = "".join(f"Host: {value}\r\n" for value in values)
            head = f"GET {target} HTTP/{version}\r\n{lines}{more}traceparent: {each}\r\n{token}\r\n"
            answers.append((head, each, *connection.ask(head)))
    assert bool(check(hosts, answers)) is (user == "administrator")


@pytest.mark.parametrize("proxy", START)
@pytest.mark.parametrize("user", ["nobody", "administrator"])
def test_the_same_over_http_2(hosts: Hosts, node_lines: Lines, proxy: str, user: str) -> None:
    more = {"authorization": bearer(mint(sound(roles=["admin"]))).partition(" ")[2]} if user == "administrator" else {}
    names = [name for name in NAMES if name.isascii() and name.isprintable()]
    said: list[dict[str, Any]] = [
        *({":authority": name} for name in names),
        *({":authority": name, "host": name} for name in names),
        *({":authority": one, "host": other} for one, other in product((ADMIN, APP), (ADMIN, APP, "", f"{ADMIN}:81"))),
        *({":authority": APP, "x-forwarded-host": ADMIN}, {":authority": "", "host": ADMIN}, {"host": APP}),
    ]
    requests = [{":path": "/x", "traceparent": trace(), **more, **each} for each in said]
    answers = node_lines.ask(http2=hosts.ports[proxy].http2, ask=requests)
    rows = [
        (request, request["traceparent"], answer["status"], answer["body"])
        for request, answer in zip(requests, answers, strict=True)
    ]
    assert bool(check(hosts, rows)) is (user == "administrator")
