"""Attacks on the reading of a request: its path, host and method, and health checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from authgate.adapters import ADAPTERS, TrustedProxies
from authgate.core.decision import Deny
from authgate.core.errors import Unreadable
from authgate.core.header_names import guarded_names
from authgate.core.reasons import Reason
from authgate.core.subrequest import Subrequest
from tests.support.deciding import decide_now, request_with
from tests.support.serving import ENVIRON, Served, bearer_line, described, exchange, fresh, head, serving

if TYPE_CHECKING:
    from authgate.core.request import Request

PROXIES = tuple(ADAPTERS)
NOBODY = TrustedProxies(networks=())


def read(proxy: str, **request: str) -> Request:
    adapter = ADAPTERS[proxy]
    return adapter.read(
        Subrequest.of(CIMultiDict(described(proxy, **request))), NOBODY, guarded_names(adapter.reads, ())
    )


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("query", ["x=/public", "/public", "?/public", "a=b?c=/public", "x=%2Fpublic", ""])
def test_P1_the_query_is_not_part_of_the_path(proxy: str, query: str) -> None:
    """CVE-2025-54576 (oauth2-proxy): a rule for paths also matched the query."""
    request = read(proxy, uri=f"/admin?{query}")
    assert (request.path, request.query) == ("/admin", query)


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("uri", ["/admin#/public", "/#", "/admin?a#b", "/public\\..\\admin", "/a b", "/a\tb", "/a\x7f"])
def test_P2_a_fragment_or_backslash_makes_a_request_unreadable(proxy: str, uri: str) -> None:
    """CVE-2026-41059 (oauth2-proxy), CVE-2023-47106 (Traefik): only some servers read "#…" as part of the path."""
    with pytest.raises(Unreadable) as refusal:
        read(proxy, uri=uri)
    assert refusal.value.reason is Reason.UNREADABLE_REQUEST


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("path", ["/admin%23/public", "/admin%3F/public", "/a%2e%2e/b", "/a/../b", "//a", "/a%2Fb"])
def test_P2_a_path_stays_as_it_was_sent(proxy: str, path: str) -> None:
    """Nothing is decoded or repaired: a policy for paths will see what the proxy saw."""
    request = read(proxy, uri=path)
    assert (request.path, request.query) == (path, "")


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        ("Admin.Example.Com", "admin.example.com", None),
        ("a.B.example.com", "a.b.example.com", None),
        ("admin.example.com.", "admin.example.com", None),
        ("ADMIN.example.com.:8443", "admin.example.com", 8443),
        ("admin.example.com:443", "admin.example.com", 443),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example", None),
        ("[2001:DB8::1]:80", "[2001:db8::1]", 80),
    ],
)
def test_P6_a_host_has_one_spelling(proxy: str, host: str, name: str, port: int | None) -> None:
    """CVE-2026-42273 (Heimdall), CVE-2026-48794 (Authelia), CVE-2026-27588 (Caddy): hosts compared by case."""
    request = read(proxy, host=host)
    assert (request.host, request.port) == (name, port)


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize(
    "host",
    [
        "b\xfccher.example",
        "\u212aeys.example",  # the Kelvin sign, whose lower case is an ASCII "k"
        "admin\u3002example.com",
        "admin.example.com..",
        ".example.com",
        "admin.example.com:0x50",
        "admin.example.com:\u0664\u0662",
        "admin.example.com:99999",
        "admin%2eexample.com",
        "admin.example.com\u200b",
    ],
)
def test_P6_a_host_with_other_characters_is_refused(proxy: str, host: str) -> None:
    """An internationalized name is sent as its A-label (RFC 5891 §4.4). Anything else is ambiguous."""
    with pytest.raises(Unreadable) as refusal:
        read(proxy, host=host)
    assert refusal.value.reason is Reason.UNREADABLE_REQUEST


@pytest.mark.parametrize("proxy", PROXIES)
async def test_P9_options_requests_need_a_credential_too(served: Served, proxy: str) -> None:
    """oauth2-proxy #735: X-Original-Method: OPTIONS skipped authentication."""
    preflight = (("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "POST"))
    for lines in ((), preflight):
        answer = await served.ask(proxy, *lines, method="OPTIONS")
        assert (answer.status, answer.reason) == (401, "no_credential")
        assert not answer.all("X-User-Id")


@pytest.mark.parametrize("proxy", PROXIES)
async def test_P9_a_second_method_header_or_one_from_an_untrusted_peer_is_refused(served: Served, proxy: str) -> None:
    name = described(proxy)[0][0]
    assert name.endswith("-Method")
    answer = await served.ask(proxy, (name, "OPTIONS"), bearer_line(fresh()))
    assert answer.reason == "unreadable_request"
    async with serving({**ENVIRON, "AUTHGATE_TRUSTED_PROXIES": "192.0.2.0/24"}) as elsewhere:
        answer = await elsewhere.ask(proxy, method="OPTIONS")
        assert (answer.status, answer.reason) == (403, "untrusted_proxy")


@pytest.mark.parametrize("method", ["options", "Options", "OPTIONS ", "GET,OPTIONS", "", "OPT\u212aIONS", "G" * 40])
def test_P9_a_method_must_be_one_upper_case_token(method: str) -> None:
    for proxy in PROXIES:
        with pytest.raises(Unreadable):
            read(proxy, method=method)


PROBES = ["kube-probe/1.31", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "Amazon-Route53-Health-Check-Service", "Blackbox"]


@pytest.mark.parametrize("agent", PROBES)
@pytest.mark.parametrize("proxy", PROXIES)
async def test_H7_the_user_agent_of_a_health_check_does_not_skip_authentication(
    served: Served, proxy: str, agent: str
) -> None:
    """CVE-2026-34457 (oauth2-proxy): the User-Agent of health checks skipped authentication."""
    for uri in ("/", "/healthz", "/ping", "/ready"):
        answer = await served.ask(proxy, ("User-Agent", agent), uri=uri)
        assert (answer.status, answer.reason) == (401, "no_credential")
    decision = decide_now(request_with(("User-Agent", agent), url_path="/healthz"))
    assert isinstance(decision, Deny)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/ping", "/", "/auth", "/auth/", "/auth/traefik/"])
async def test_H7_the_auth_port_has_no_health_path_that_answers_200(served: Served, path: str) -> None:
    answer = await exchange(served.auth, head(path, [("Host", "a"), ("User-Agent", PROBES[0])]))
    assert answer.status == 404


async def test_H7_health_paths_exist_only_on_the_admin_port(served: Served) -> None:
    for path, status in (("/healthz", 200), ("/readyz", 200), ("/auth/traefik", 404), ("/auth/nginx", 404)):
        request = [("Host", "a"), *described("traefik"), bearer_line(fresh())]
        answer = await exchange(served.admin, head(path, request))
        assert (path, answer.status) == (path, status)
        assert not answer.all("X-User-Id")
