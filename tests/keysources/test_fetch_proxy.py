"""One GET through a real outbound proxy (J6)."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from authgate import __version__
from tests.support.fetching import CANARY, FOUND_AT, NAME, Names, answering, failure, fetcher
from tests.support.forward_proxy import forward_proxy
from tests.support.processes import free_port

if TYPE_CHECKING:
    from tests.support.issuer import Issuer


async def test_plain_http_goes_through_the_outbound_proxy_which_looks_up_the_name(one: Issuer, names: Names) -> None:
    names.addresses[NAME] = []
    port = urlsplit(one.url).port or 0
    with forward_proxy(login=("user", CANARY), names={NAME: ("127.0.0.1", port)}) as proxy:
        assert (await fetcher(outbound_proxy=proxy.url).get(f"http://{NAME}/jwks")).body
    assert [(passed.method, passed.target, passed.status) for passed in proxy.passed] == [
        ("GET", f"http://{NAME}/jwks", 200)
    ]
    assert names.asked == []
    assert "proxy-authorization" not in one.requests()[0].headers


async def test_https_goes_through_the_outbound_proxy_and_is_checked_as_without(
    over_tls: Issuer, ca_file: str, names: Names
) -> None:
    names.addresses[NAME] = []
    port = urlsplit(over_tls.url).port or 0
    with forward_proxy(login=("user", CANARY), names={NAME: ("127.0.0.1", port)}) as proxy:
        fetching = fetcher(outbound_proxy=proxy.url, ca_file=ca_file)
        assert (await fetching.get(f"https://{NAME}/jwks")).body
        assert "is not trusted" in await failure(fetcher(outbound_proxy=proxy.url), f"https://{NAME}/jwks")
    assert {(passed.method, passed.target, passed.status) for passed in proxy.passed} == {
        ("CONNECT", f"{NAME}:443", 200)
    }
    assert names.asked == []
    assert {passed.headers["user-agent"] for passed in proxy.passed} == {f"AuthGate/{__version__}"}
    (request,) = over_tls.requests()
    assert not {"proxy-authorization", "authorization", "cookie"} & request.headers.keys()


@pytest.mark.parametrize("code", [403, 407, 502, 503])
async def test_an_outbound_proxy_that_refuses_is_told(one: Issuer, over_tls: Issuer, code: int) -> None:
    with forward_proxy(login=("user", CANARY)) as proxy:
        route = {"outbound_proxy": proxy.url}
        if code == 407:
            route["outbound_proxy"] = proxy.url.replace(CANARY, f"{CANARY}-wrong")
        else:
            proxy.refuse_with = code
        said = await failure(fetcher(**route), over_tls.jwks_url)
        assert said == f"{over_tls.jwks_url} cannot be fetched: the outbound proxy answers {code}"
        assert await failure(fetcher(**route), one.jwks_url) == f"{one.jwks_url} answers {code}"
    assert (one.connections(), over_tls.connections()) == (0, 0)


async def test_an_outbound_proxy_without_a_login_gets_none(one: Issuer) -> None:
    with forward_proxy() as proxy:
        assert (await fetcher(outbound_proxy=proxy.url).get(one.jwks_url)).body
    assert "proxy-authorization" not in proxy.passed[0].headers


async def test_a_login_with_strange_characters_reaches_the_outbound_proxy_as_it_is(one: Issuer) -> None:
    with forward_proxy(login=("us er", "p@ss:w\u00f6rd/%")) as proxy:
        url = f"http://us%20er:p%40ss%3Aw%C3%B6rd%2F%25@127.0.0.1:{proxy.port}"
        assert (await fetcher(outbound_proxy=url).get(one.jwks_url)).body


async def test_an_outbound_proxy_that_is_down_is_told(one: Issuer, over_tls: Issuer) -> None:
    port = free_port()
    fetching = fetcher(outbound_proxy=f"http://user:{CANARY}@127.0.0.1:{port}")
    for url in (one.jwks_url, over_tls.jwks_url):
        assert f"no connection to the outbound proxy on port {port}" in await failure(fetching, url)
    assert (one.connections(), over_tls.connections()) == (0, 0)


async def test_an_outbound_proxy_whose_name_is_unknown_is_told(one: Issuer, names: Names) -> None:
    def unknown() -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    names.addresses["proxy.example"] = unknown
    said = await failure(fetcher(outbound_proxy=f"http://user:{CANARY}@proxy.example:3128"), one.jwks_url)
    assert "proxy" in said
    assert "Name or service not known" in said


@pytest.mark.parametrize("raw", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b""])
async def test_an_outbound_proxy_that_speaks_no_http_is_told(one: Issuer, over_tls: Issuer, raw: bytes) -> None:
    async with answering(raw) as (url, _):
        fetching = fetcher(outbound_proxy=url.replace("http://", f"http://user:{CANARY}@").removesuffix("/jwks"))
        for target in (one.jwks_url, over_tls.jwks_url):
            assert "cannot be fetched" in await failure(fetching, target)


async def test_an_https_proxy_is_spoken_to_with_tls(one: Issuer, over_tls: Issuer, ca_file: str) -> None:
    # The issuer stands in for the proxy: it answers 404 to what it does not know, over TLS.
    fetching = fetcher(outbound_proxy=over_tls.url, ca_file=ca_file)
    assert await failure(fetching, one.jwks_url) == f"{one.jwks_url} answers 404"
    assert [request.path for request in over_tls.requests()] == [one.jwks_url]
    assert "its certificate is not trusted" in await failure(fetcher(outbound_proxy=over_tls.url), one.jwks_url)


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:a9fe:a9fe]", "127.0.0.1", "0x7f000001", "2130706433"])
async def test_j6_an_address_that_must_not_be_asked_is_not_asked_through_a_proxy_either(host: str) -> None:
    with forward_proxy() as proxy:
        said = await failure(fetcher(outbound_proxy=proxy.url), f"http://{host}/", found_at=FOUND_AT)
        assert proxy.passed == []
    assert "AuthGate does not connect to it" in said or "names no host" in said
