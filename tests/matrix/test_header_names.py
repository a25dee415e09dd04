"""Identity headers come from AuthGate only, and the method that was decided on arrives, whatever a client sends.

The configuration has 30 headers, with unusual names, one of them in one policy only.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.header_names import MARKS, OVERRIDES, folded, look_alikes
from tests.support import processes
from tests.support.client import bearer
from tests.support.e2e import sound
from tests.support.raw_connection import RawConnection
from tests.support.sites import START, Ports, Route, site
from tests.support.tokens import SECRET, mint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.upstreams import Lines

ENVIRON = {"APP_SECRET": SECRET.decode()}
# The default headers without LEFT_OUT, which is removed all the same; short, long and unusual names; names that differ
# only in where a "-" is.
DEFAULTS = {"X-User-Id": "subject", "X-User-Email": "email", "X-User-Roles": "roles"}
ODD = (
    *("X", "Q", "Sub", "Remote-User", "X-1", "X-User-Id-2", "A1-B2-C3", "X-User", "X-Us-Er", "Xu-Ser", "X-A-B-C-D"),
    *(f"X-{'Long-' * 12}Name", f"X-{'Longer-' * 15}Name", *(f"X-Claim-{number}" for number in range(12))),
)
CLAIMS = {name: f"claims.c{number}" for number, name in enumerate(ODD)}
CONFIG = f"""
issuers:
  - {{name: app, preset: jwt, secret_env: APP_SECRET, audiences: [tasks]}}
headers: {json.dumps(DEFAULTS | CLAIMS)}
policies:
  - {{name: public, match: {{host: public.example}}, public: true}}
  - {{name: optional, match: {{host: optional.example}}, optional: true}}
  - {{name: reads, match: {{host: methods.example, methods: [GET]}}, public: true}}
  - {{name: rest, require: signed_in, headers: {{X-Tenant: claims.tenant}}}}
"""
LEFT_OUT = "X-User-Name"
IDENTITY = (*DEFAULTS, LEFT_OUT, *CLAIMS, "X-Tenant")
USUAL = frozenset(name.lower() for name in (*IDENTITY, *OVERRIDES))
GUARDED = frozenset(map(folded, (*IDENTITY, *OVERRIDES)))
USER = {
    "x-user-id": ["user-1"],
    "x-user-email": ["u1@example.com"],
    "x-user-roles": ["user"],
    **{name.lower(): [f"value of {name}"] for name in CLAIMS},
}
TOKEN = bearer(
    mint(
        sound(name="One", roles=["user"], tenant="t-1", **{f"c{at}": f"value of {name}" for at, name in enumerate(ODD)})
    )
)


@dataclass(frozen=True)
class Kind:
    """A kind of request: the host, which decides about the policy; the caller; and the identity that arrives.

    Without an *identity* every request is refused.
    """

    host: str
    is_signed_in: bool
    identity: dict[str, list[str]] | None


KINDS = {
    "protected": Kind("protected.example", is_signed_in=True, identity=USER | {"x-tenant": ["t-1"]}),
    "protected, anonymous": Kind("protected.example", is_signed_in=False, identity=None),
    "optional": Kind("optional.example", is_signed_in=True, identity=USER),
    "optional, anonymous": Kind("optional.example", is_signed_in=False, identity={}),
    "public": Kind("public.example", is_signed_in=True, identity={}),
    "public in the proxy": Kind("open.example", is_signed_in=True, identity={}),
}


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ports]]:
    """The proxies, by name, before an upstream that answers with what arrived."""
    folder = tmp_path_factory.mktemp("names")
    with ExitStack() as parts:
        authgate = parts.enter_context(processes.authgate(folder, CONFIG, environ=ENVIRON))
        echo = parts.enter_context(processes.echo(folder))
        asking = ("protected.example", "optional.example", "public.example", "methods.example")
        routes = [*(Route(host, echo) for host in asking), Route("open.example", echo, "public")]
        yield {proxy: parts.enter_context(site(proxy, folder, authgate, ENVIRON, routes)) for proxy in START}


@pytest.fixture(params=START)
def proxy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def connection(sites: dict[str, Ports], proxy: str) -> Iterator[RawConnection]:
    with RawConnection(sites[proxy].http1) as opened:
        yield opened


def guarded(seen: dict[str, Any]) -> dict[str, list[str]]:
    """Return the guarded headers that arrived, by the name that the most lenient server reads. Empty ones are none."""
    arrived: dict[str, list[str]] = {}
    for name, value in seen["headers"]:
        if folded(name) in GUARDED and value:
            arrived.setdefault(folded(name), []).append(value)
    return arrived


def sent(connection: RawConnection, kind: Kind, lines: Iterable[str], method: str = "GET") -> dict[str, Any] | None:
    """Send a request with these header lines; return what arrived at the upstream, or None if it was refused."""
    every = [f"Host: {kind.host}", *([TOKEN] if kind.is_signed_in else []), *lines]
    if method == "POST":
        every.append("Content-Length: 0")
    status, body = connection.ask("\r\n".join([f"{method} /x HTTP/1.1", *every, "", ""]))
    assert status in {200, 400, 401, 403}, (status, body, lines)
    return dict(json.loads(body)) if status == 200 else None


# Every spelling: of all identity headers, and of all headers that name another method or path.
SPELLED = [
    spellings
    for names in ((*DEFAULTS, LEFT_OUT, "X-Tenant"), OVERRIDES)
    for spellings in zip_longest(*([name, *look_alikes(name)] for name in names), fillvalue="X-Other")
]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_no_spelling_of_a_guarded_name_arrives(connection: RawConnection, kind: Kind) -> None:
    assert len(SPELLED) >= 2 * 40
    for spellings in SPELLED:
        seen = sent(connection, kind, [f"{spelling}: admin" for spelling in spellings])
        assert seen is None or guarded(seen) == kind.identity, spellings
        # Public routes of a proxy refuse none: a refusal would hide the other spellings of the same request.
        assert seen is not None or kind.host != "open.example", spellings
        # The usual spelling is removed, and does not hinder.
        assert seen is not None or kind.identity is None or not USUAL & {name.lower() for name in spellings}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_no_spelling_of_a_guarded_name_arrives_over_http_2(
    sites: dict[str, Ports], node_lines: Lines, proxy: str, kind: Kind
) -> None:
    token = {"authorization": TOKEN.partition(" ")[2]} if kind.is_signed_in else {}
    names = [*dict.fromkeys(tuple(name.lower() for name in spellings) for spellings in SPELLED)]
    requests = [{":path": "/x", ":authority": kind.host, **token, **dict.fromkeys(each, "admin")} for each in names]
    answers = node_lines.ask(http2=sites[proxy].http2, ask=requests)
    for each, answer in zip(names, answers, strict=True):
        assert answer["status"] in {0, 200, 400, 401, 403}, (each, answer)
        assert answer["status"] != 200 or guarded(json.loads(answer["body"])) == kind.identity, each
        assert answer["status"] == 200 or kind.identity is None or not USUAL & {*each}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_all_thirty_headers_are_copied_and_the_clients_are_removed(connection: RawConnection, kind: Kind) -> None:
    assert len(IDENTITY) == 30
    lowered = [name.lower() for name in IDENTITY]
    groups = [
        [],
        IDENTITY,
        lowered,
        [*IDENTITY, *lowered],
        *([f"{name}{end}" for name in IDENTITY] for end in ("-", "--", *MARKS)),
        *([name.replace("-", mark) for name in IDENTITY if "-" in name] for mark in MARKS),
    ]
    arrived = 0
    for names in groups:
        seen = sent(connection, kind, [f"{name}: admin" for name in names])
        assert seen is None or guarded(seen) == kind.identity, names
        arrived += seen is not None
    assert kind.identity is None or arrived >= 4
    assert kind.host != "open.example" or arrived == len(groups)


# Lines that name a guarded header in a way that no good client does, or that make the next hop delete or add one.
MALFORMED = (
    *("X-User-Id : admin", "X-User-Id\t: admin", " X-User-Id: admin", "\tX-User-Id: admin", "X User Id: admin"),
    *("X-User-Id\x00: admin", "X-User-Id\x0b: admin", "X-User-Id\xa0: admin", "\x00X-User-Id: admin", "X-User-Id"),
    *("X\u2010User-Id: admin", "X-U\u017fer-Id: admin", "X-User-\u0130d: admin", "X-User-Id\r: admin"),
    *("X-A: b\nX-User-Id: admin", "X-A: b\rX-User-Id: admin", "X-A: b\x00\r\nX-User-Id: admin", ": X-User-Id: admin"),
    *("X-A: b\r\n X-User-Id: admin", "X-A: b\r\n\tX-User-Id: admin", "X-A: b\r\n\nX-User-Id: admin"),
    *("X-User-Id\n: x", "X-User-Id:: admin", "X-User-Id: admin\r\nX-User-Id: root", "X-User-Id: admin, root"),
    "X-User-Id:\r\nx-user-id: admin",
    *("HTTP_X_USER_ID: admin", "Proxy-X-User-Id: admin", "Trailer: X-User-Id\r\nTE: trailers\r\nX-User-Id: admin"),
    *(f"X-User-Id: admin\r\nConnection: {named}" for named in ("X-User-Id", "keep-alive, x-user-id", "X_User_Id")),
    *("Connection: x-user-id, x-user-roles, authorization, cookie", "Connection: Authorization", "Connection: Host"),
    *("Connection: X-Forwarded-Uri, X-Forwarded-Method, X-Original-URL", "Connection: X-Forwarded-Host"),
    *("Connection: keep-alive\r\nConnection: X-User-Id", "Connection: upgrade, X-User-Id\r\nUpgrade: websocket"),
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_malformed_header_lines_change_no_identity(sites: dict[str, Ports], proxy: str, kind: Kind) -> None:
    token = [TOKEN] if kind.is_signed_in else []
    for line in MALFORMED:
        with RawConnection(sites[proxy].http1) as connection:
            head = "\r\n".join(["GET /x HTTP/1.1", f"Host: {kind.host}", *token, line, "", ""])
            status, body = connection.ask(head)
        assert status in {0, 200, 400, 401, 403, 431, 501}, (line, status)
        # "Connection: Authorization" makes a user anonymous.
        allowed = [] if kind.identity is None else [kind.identity, {}]
        assert status != 200 or guarded(json.loads(body)) in allowed, line


@pytest.mark.parametrize("name", OVERRIDES)
def test_the_method_that_was_decided_on_arrives(connection: RawConnection, name: str) -> None:
    """On this host everybody may read, and only users may write."""
    for spelling in (name, name.lower(), name.upper(), name.replace("-", "_"), f"{name}-"):
        for asked, claimed in (("GET", "POST"), ("GET", "DELETE"), ("POST", "GET")):
            for is_signed_in in (False, True):
                kind = Kind("methods.example", is_signed_in=is_signed_in, identity={})
                lines = [f"{spelling}: {claimed}"]
                if asked == "POST" and not is_signed_in:
                    assert refused(connection, lines) in {400, 401, 403}
                    continue
                seen = sent(connection, kind, lines, asked)
                assert seen is None or seen["method"] == asked
                assert seen is None or not {folded(name)} & guarded(seen).keys()
                assert seen is not None or spelling.lower() != name.lower()


def refused(connection: RawConnection, lines: Iterable[str]) -> int:
    head = ["POST /x HTTP/1.1", "Host: methods.example", "Content-Length: 0", *lines, "", ""]
    return connection.ask("\r\n".join(head))[0]
