"""Attacks on the trust boundary: who may describe a request, and ambiguous descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from authgate.adapters import ADAPTERS, TrustedProxies
from authgate.core.errors import Unreadable
from authgate.core.header_names import guarded_names
from authgate.core.reasons import Reason
from authgate.core.subrequest import Subrequest
from tests.support.deciding import OUTPUTS, decide_now
from tests.support.serving import ENVIRON, bearer_line, described, exchange, fresh, head, serving
from tests.support.tokens import mint

if TYPE_CHECKING:
    from authgate.core.request import Request
    from tests.support.serving import Lines, Served

# The status for an unreadable request. nginx accepts no 400 (contract.md, "Refusals, by proxy").
UNREADABLE = {"nginx": 403, "traefik": 400, "caddy": 400}
PROXIES = tuple(ADAPTERS)
EMITTED = tuple(output.header for output in OUTPUTS)
NOBODY = TrustedProxies(networks=())


def read(proxy: str, lines: Lines) -> Request:
    adapter = ADAPTERS[proxy]
    return adapter.read(Subrequest.of(CIMultiDict(lines)), NOBODY, guarded_names(adapter.reads, EMITTED))


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("uri", ["/public", "/admin"])
async def test_H1_an_untrusted_peer_cannot_describe_a_request(proxy: str, uri: str) -> None:
    """CVE-2026-40575 (oauth2-proxy): anybody could send X-Forwarded-Uri."""
    async with serving({**ENVIRON, "AUTHGATE_TRUSTED_PROXIES": "10.0.0.0/8"}) as served:
        answer = await served.ask(proxy, bearer_line(fresh()), uri=uri)
    assert (answer.status, answer.reason) == (403, "untrusted_proxy")


@pytest.mark.parametrize("proxy", PROXIES)
async def test_H8_an_untrusted_peer_cannot_set_the_scheme(proxy: str) -> None:
    """CVE-2026-33495 (Oathkeeper): X-Forwarded-Proto was trusted although the configuration forbade it."""
    async with serving({**ENVIRON, "AUTHGATE_TRUSTED_PROXIES": "192.0.2.1/32"}) as served:
        answers = [await served.ask(proxy, bearer_line(fresh()), scheme=scheme) for scheme in ("http", "https")]
    assert [(answer.status, answer.reason) for answer in answers] == [(403, "untrusted_proxy")] * 2


SINGLE = [(proxy, name) for proxy, adapter in ADAPTERS.items() for name in adapter.reads if name != "X-Forwarded-For"]


@pytest.mark.parametrize(("proxy", "name"), SINGLE)
@pytest.mark.parametrize("same", [True, False])
async def test_H1_H10_a_request_header_with_two_values_is_refused(
    served: Served, proxy: str, name: str, *, same: bool
) -> None:
    """CVE-2026-40575 (oauth2-proxy), CVE-2026-34525 (aiohttp): it depends on the reader which of two values counts."""
    value = dict(described(proxy))[name] if same else "/public"
    answer = await served.ask(proxy, (name.lower(), value), bearer_line(fresh()))
    assert (answer.status, answer.reason) == (UNREADABLE[proxy], "unreadable_request")


@pytest.mark.parametrize(("proxy", "name"), SINGLE)
async def test_H1_a_missing_request_header_is_refused(served: Served, proxy: str, name: str) -> None:
    lines = [("Host", "authgate"), *(line for line in described(proxy) if line[0] != name), bearer_line(fresh())]
    answer = await exchange(served.auth, head(f"/auth/{proxy}", lines))
    assert (answer.status, answer.reason) == (UNREADABLE[proxy], "unreadable_request")


ALIASES = [
    (proxy, alias)
    for proxy, adapter in ADAPTERS.items()
    for name in (*adapter.reads, *EMITTED)
    for alias in (
        name.replace("-", "_"),
        name.replace("-", "_", 1),
        name.lower().replace("-", "_"),
        name.replace("-", "~"),
        name.replace("-", ".", 1),
        f"{name}-",
    )
]


@pytest.mark.parametrize(("proxy", "alias"), ALIASES)
async def test_H2_an_alias_of_a_header_that_is_read_or_emitted_is_refused(
    served: Served, proxy: str, alias: str
) -> None:
    """CVE-2025-64484 (oauth2-proxy), CVE-2026-39858 and -54763 (Traefik), CVE-2026-52845 (Caddy): X_User_Id."""
    answer = await served.ask(proxy, (alias, "admin"), bearer_line(fresh()))
    assert (answer.status, answer.reason) == (UNREADABLE[proxy], "unreadable_request")
    assert not answer.all("X-User-Id")


@pytest.mark.parametrize("proxy", PROXIES)
def test_H2_an_alias_is_never_read_in_place_of_the_header(proxy: str) -> None:
    for name, _ in described(proxy):
        lines = [(n.replace("-", "_") if n == name else n, v) for n, v in described(proxy)]
        with pytest.raises(Unreadable):
            read(proxy, lines)


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-Prefix", "/public"),
        ("X-Forwarded-Port", "1"),
        ("X-Forwarded-Server", "evil.example"),
        ("X-Forwarded-Ssl", "off"),
        ("X-Forwarded-Scheme", "http"),
        ("X-Scheme", "http"),
        ("X-Real-Ip", "127.0.0.1"),
        ("X-Original-Host", "evil.example"),
        ("X-Original-Uri", "/public"),
        ("X-Rewrite-Url", "/public"),
        ("X-Http-Method-Override", "OPTIONS"),
        ("Forwarded", "for=127.0.0.1;host=evil.example;proto=http"),
        ("Host", "evil.example"),
    ],
)
def test_H3_no_other_header_changes_the_request_or_the_decision(proxy: str, name: str, value: str) -> None:
    """CVE-2026-35051 and -54764 (Traefik): X-Forwarded-Prefix and -Port were made from an untrusted Proto."""
    lines = [*described(proxy, method="POST", uri="/admin?a=b"), bearer_line(mint())]
    plain, with_more = read(proxy, lines), read(proxy, [*lines, (name, value)])
    for part in ("method", "scheme", "host", "port", "path", "query", "client_ip"):
        assert getattr(with_more, part) == getattr(plain, part)
    assert decide_now(with_more) == decide_now(plain)


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize(
    "connection",
    [
        "X-User-Id",
        "x-user-id",
        "X-USER-ID",
        "close, x-user-id",
        "close,X-User-Id ,te",
        "x_user_id",
        "x~user|id",
        "x-user-id-",
        "authorization",
    ],
)
async def test_H4_a_connection_header_that_names_an_identity_header_is_refused(
    served: Served, proxy: str, connection: str
) -> None:
    """CVE-2024-45410 and CVE-2026-29054 (Traefik), GHSA-w9mr (Oathkeeper): the next hop would delete it."""
    answer = await served.ask(proxy, ("Connection", connection), bearer_line(fresh()))
    assert (answer.status, answer.reason) == (UNREADABLE[proxy], "unreadable_request")


@pytest.mark.parametrize(("proxy", "name"), SINGLE)
async def test_H4_a_second_connection_header_is_read_too(served: Served, proxy: str, name: str) -> None:
    lines = (("Connection", "keep-alive"), ("connection", name.lower()), bearer_line(fresh()))
    answer = await served.ask(proxy, *lines)
    assert (answer.status, answer.reason) == (UNREADABLE[proxy], "unreadable_request")


async def test_H4_an_ordinary_connection_header_is_accepted(served: Served) -> None:
    assert (await served.ask("traefik", ("Connection", "keep-alive, upgrade"), bearer_line(fresh()))).status == 200


async def test_H10_a_request_with_two_host_headers_is_a_bad_request(served: Served) -> None:
    """CVE-2026-34525 (aiohttp): two Host headers were accepted."""
    answer = await served.ask("traefik", ("Host", "other:4190"), bearer_line(fresh()))
    assert answer.status == 400


@pytest.mark.parametrize("host", ["a/auth/nginx", "a?x", "a#y", "a/../auth/traefik?", "[::1", "a b", ""])
async def test_H10_the_host_header_does_not_change_the_path(served: Served, host: str) -> None:
    """CVE-2026-48710 (Starlette): a Host with "/", "?" or "#" changed the path that selects the route."""
    request = [("Host", host), *described("traefik"), bearer_line(fresh())]
    elsewhere = await exchange(served.auth, head("/metrics", request))
    assert elsewhere.status in {400, 404}
    assert not elsewhere.all("X-User-Id")
    here = await exchange(served.auth, head("/auth/traefik", request))
    assert here.status in {200, 400}  # the proxy chooses the Host of its subrequest, and nothing depends on it
    without = await exchange(served.auth, head("/auth/traefik", request[:-1]))
    assert without.status in {400, 401}


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("host", ["a/b", "a?b", "a#b", "u@a", "a\\b", "a b", "a,b", "a.example, b.example", "", ":80"])
def test_H10_the_host_of_a_request_is_only_a_host(proxy: str, host: str) -> None:
    lines = described(proxy, host=host)
    if proxy == "nginx" and host[:2] == "a/":
        assert (
            read(proxy, lines).host == "a"
        )  # in a URL "/" ends the host for every reader, and nginx refuses such a Host
        return
    with pytest.raises(Unreadable) as refusal:
        read(proxy, lines)
    assert refusal.value.reason is Reason.UNREADABLE_REQUEST


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("good_first", [True, False])
async def test_H11_a_request_with_two_authorization_headers_is_invalid(
    served: Served, proxy: str, *, good_first: bool
) -> None:
    """CVE-2026-31838 (Istio, Envoy): only the first value was checked."""
    lines = [bearer_line(fresh()), bearer_line(fresh(sub="somebody-else"))]
    answer = await served.ask(proxy, *(lines if good_first else lines[::-1]))
    assert (answer.status, answer.reason) == (401, "ambiguous_credential")
    assert 'error="invalid_request"' in answer.all("WWW-Authenticate")[0]


@pytest.mark.parametrize("separator", [",", ", ", " , ", ",\t"])
async def test_H11_an_authorization_header_with_two_tokens_is_invalid(served: Served, separator: str) -> None:
    value = f"Bearer {fresh()}{separator}bearer {fresh(sub='somebody-else')}"
    answer = await served.ask("traefik", ("Authorization", value))
    assert (answer.status, answer.reason) == (401, "ambiguous_credential")
    assert 'error="invalid_request"' in answer.all("WWW-Authenticate")[0]


async def test_H11_another_scheme_before_the_token_is_refused(served: Served) -> None:
    answer = await served.ask("traefik", ("Authorization", f"Basic YTpi, Bearer {fresh()}"))
    assert answer.status == 401
