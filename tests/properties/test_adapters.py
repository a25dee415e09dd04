"""Every adapter reads the request that its proxy describes, and writes the decision."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from authgate.adapters import ADAPTERS, TrustedProxies
from authgate.core.decision import Allow, Deny
from authgate.core.errors import Unreadable
from authgate.core.header_names import guarded_names
from authgate.core.reasons import Reason
from authgate.core.subrequest import Subrequest
from tests.support.deciding import OUTPUTS, decide_token
from tests.support.serving import described
from tests.support.tokens import claims, mint

TRUSTED = TrustedProxies(networks=(IPv4Network("10.0.0.0/8"),))
EMITTED = tuple(output.header for output in OUTPUTS)

LABELS = st.from_regex(r"[a-z0-9_](?:[a-z0-9_-]{0,20}[a-z0-9_])?", fullmatch=True)
HOSTS = st.one_of(
    st.lists(LABELS, min_size=1, max_size=5).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
PORTS = st.none() | st.integers(1, 65535)
METHODS = st.from_regex(r"[A-Z][A-Z0-9_-]{0,31}", fullmatch=True)
PATH = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), blacklist_characters=" ?#\\"))
QUERY = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), blacklist_characters=" #\\"))
ADDRESSES = st.ip_addresses().filter(lambda ip: not isinstance(ip, IPv6Address) or ip.ipv4_mapped is None)


@pytest.mark.parametrize("proxy", ADAPTERS)
@given(
    method=METHODS,
    scheme=st.sampled_from(["http", "https"]),
    host=HOSTS,
    port=PORTS,
    path=PATH,
    query=QUERY,
    client=ADDRESSES,
    hops=st.lists(st.integers(0, 2**24 - 1).map(lambda n: IPv4Address(0x0A000000 + n)), max_size=5),
)
def test_a_request_that_a_proxy_describes_is_read_back_unchanged(  # noqa: PLR0917 - all parts of a request
    proxy: str,
    method: str,
    scheme: str,
    host: str,
    port: int | None,
    path: str,
    query: str,
    client: IPv4Address | IPv6Address,
    hops: list[IPv4Address],
) -> None:
    authority = host if port is None else f"{host}:{port}"
    lines = described(proxy, method=method, scheme=scheme, host=authority, uri=f"/{path}?{query}")
    forwarded = ("X-Forwarded-For", ", ".join(["203.0.113.9", *map(str, [client, *hops])]))
    adapter = ADAPTERS[proxy]
    request = adapter.read(
        Subrequest.of(CIMultiDict([*lines, forwarded])), TRUSTED, guarded_names(adapter.reads, EMITTED)
    )
    assert (request.method, request.scheme, request.host, request.port) == (method, scheme, host, port)
    assert (request.path, request.query, request.adapter) == (f"/{path}", query, proxy)
    assert request.client_ip == client or client in TRUSTED


@pytest.mark.parametrize("proxy", ADAPTERS)
@given(data=st.data())
def test_any_headers_are_read_as_a_request_or_refused_as_unreadable(proxy: str, data: st.DataObject) -> None:
    text = st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda b: b.decode("utf-8", "surrogateescape")))
    adapter = ADAPTERS[proxy]
    names = st.sampled_from([*adapter.reads, "Connection", "X_User_Id", "Host"])
    lines = data.draw(st.lists(st.tuples(names, text), max_size=4))
    for name, sound in described(proxy):
        lines.insert(0, (name, data.draw(st.just(sound) | text | text.map(lambda t, s=sound: s + t))))
    try:
        request = adapter.read(Subrequest.of(CIMultiDict(lines)), TRUSTED, guarded_names(adapter.reads, EMITTED))
    except Unreadable:
        return
    assert request.path.startswith("/")
    assert "?" not in request.path
    assert request.host.isascii()
    assert request.host == request.host.lower()
    assert request.scheme in {"http", "https"}
    assert not set("#\\ \r\n\0") & set(request.path + request.query)


@pytest.mark.parametrize("proxy", ADAPTERS)
@given(name=st.text(max_size=40), email=st.text(max_size=40), roles=st.lists(st.text(max_size=10), max_size=5))
def test_an_allow_is_written_with_exactly_its_headers(proxy: str, name: str, email: str, roles: list[str]) -> None:
    decision = decide_token(mint(claims(name=name, email=email, roles=roles)))
    assert isinstance(decision, Allow)
    reply = ADAPTERS[proxy].write(decision, "")
    assert (reply.status, reply.headers, reply.body) == (200, decision.headers, b"")
    assert tuple(header for header, _ in reply.headers) == EMITTED


@pytest.mark.parametrize("proxy", ADAPTERS)
@given(reason=st.sampled_from(Reason), policy=st.text(), issuer=st.text(), fix=st.text())
def test_a_deny_is_never_written_as_a_success_and_depends_only_on_the_reason(
    proxy: str, reason: Reason, policy: str, issuer: str, fix: str
) -> None:
    reply = ADAPTERS[proxy].write(Deny(reason=reason, policy=policy, issuer_name=issuer, fix=fix), "id-1")
    assert 400 <= reply.status <= 503
    assert not {header for header, _ in reply.headers} & set(EMITTED)
    assert reply == ADAPTERS[proxy].write(Deny(reason=reason), "id-1")
