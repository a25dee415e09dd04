"""A GET through a real outbound proxy (J6)."""

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


async def test_plain_http_goes_through_the_outbound_proxy_which_resolves_the_name(issuer: Issuer, names: Names) -> None:
    names.addresses[NAME] = []
    port = urlsplit(issuer.url).port or 0
    with forward_proxy(login=("user", CANARY), names={NAME: ("127.0.0.1", port)}) as proxy:
        assert (await fetcher(outbound_proxy=proxy.url).get(f"http://{NAME}/jwks")).body
    assert [(passed.method, passed.target, passed.status) for passed in proxy.passed] == [
        ("GET", f"http://{NAME}/jwks", 200)
    ]
    assert names.asked == []
    assert "proxy-authorization" not in issuer.requests()[0].headers


async def test_https_goes_through_the_outbound_proxy_and_certificates_are_checked(
    tls_issuer: Issuer, ca_file: str, names: Names
) -> None:
    names.addresses[NAME] = []
    port = urlsplit(tls_issuer.url).port or 0
    with forward_proxy(login=("user", CANARY), names={NAME: ("127.0.0.1", port)}) as proxy:
        fetching = fetcher(outbound_proxy=proxy.url, ca_file=ca_file)
        assert (await fetching.get(f"https://{NAME}/jwks")).body
        assert "is not trusted" in await failure(fetcher(outbound_proxy=proxy.url), f"https://{NAME}/jwks")
    assert {(passed.method, passed.target, passed.status) for passed in proxy.passed} == {
        ("CONNECT", f"{NAME}:443", 200)
    }
    assert names.asked == []
    assert {passed.headers["user-agent"] for passed in proxy.passed} == {f"AuthGate/{__version__}"}
    (request,) = tls_issuer.requests()
    assert not {"proxy-authorization", "authorization", "cookie"} & request.headers.keys()


@pytest.mark.parametrize("code", [403, 407, 502, 503])
async def test_the_refusal_of_an_outbound_proxy_is_reported(issuer: Issuer, tls_issuer: Issuer, code: int) -> None:
    with forward_proxy(login=("user", CANARY)) as proxy:
        route = {"outbound_proxy": proxy.url}
        if code == 407:
            route["outbound_proxy"] = proxy.url.replace(CANARY, f"{CANARY}-wrong")
        else:
            proxy.refuse_with = code
        message = await failure(fetcher(**route), tls_issuer.jwks_url)
        assert message.startswith(f"{tls_issuer.jwks_url} cannot be fetched: ")
        assert f"outbound proxy answers {code}" in message
        assert await failure(fetcher(**route), issuer.jwks_url) == f"{issuer.jwks_url} answers {code}"
    assert (issuer.connections(), tls_issuer.connections()) == (0, 0)


async def test_without_a_login_no_credentials_are_sent_to_the_outbound_proxy(issuer: Issuer) -> None:
    with forward_proxy() as proxy:
        assert (await fetcher(outbound_proxy=proxy.url).get(issuer.jwks_url)).body
    assert "proxy-authorization" not in proxy.passed[0].headers


async def test_a_login_with_special_characters_reaches_the_outbound_proxy_unchanged(issuer: Issuer) -> None:
    with forward_proxy(login=("us er", "p@ss:w\u00f6rd/%")) as proxy:
        url = f"http://us%20er:p%40ss%3Aw%C3%B6rd%2F%25@127.0.0.1:{proxy.port}"
        assert (await fetcher(outbound_proxy=url).get(issuer.jwks_url)).body


async def test_an_outbound_proxy_that_is_down_is_reported(issuer: Issuer, tls_issuer: Issuer) -> None:
    port = free_port()
    fetching = fetcher(outbound_proxy=f"http://user:{CANARY}@127.0.0.1:{port}")
    for url in (issuer.jwks_url, tls_issuer.jwks_url):
        assert f"no connection to the outbound proxy on port {port}" in await failure(fetching, url)
    assert (issuer.connections(), tls_issuer.connections()) == (0, 0)


async def test_an_outbound_proxy_with_an_unknown_name_is_reported(issuer: Issuer, names: Names) -> None:
    def unknown() -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    names.addresses["proxy.example"] = unknown
    message = await failure(fetcher(outbound_proxy=f"http://user:{CANARY}@proxy.example:3128"), issuer.jwks_url)
    assert "proxy" in message
    assert "Name or service not known" in message


@pytest.mark.parametrize("raw", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b""])
async def test_an_outbound_proxy_without_http_is_a_failure(issuer: Issuer, tls_issuer: Issuer, raw: bytes) -> None:
    async with answering(raw) as (url, _):
        fetching = fetcher(outbound_proxy=url.replace("http://", f"http://user:{CANARY}@").removesuffix("/jwks"))
        for target in (issuer.jwks_url, tls_issuer.jwks_url):
            assert "cannot be fetched" in await failure(fetching, target)


async def test_an_https_proxy_is_connected_to_with_tls(issuer: Issuer, tls_issuer: Issuer, ca_file: str) -> None:
    # The issuer plays the proxy. It speaks TLS and answers 404 to a path that it does not know.
    fetching = fetcher(outbound_proxy=tls_issuer.url, ca_file=ca_file)
    assert await failure(fetching, issuer.jwks_url) == f"{issuer.jwks_url} answers 404"
    assert [request.path for request in tls_issuer.requests()] == [issuer.jwks_url]
    assert "its certificate is not trusted" in await failure(fetcher(outbound_proxy=tls_issuer.url), issuer.jwks_url)


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:a9fe:a9fe]", "127.0.0.1", "0x7f000001", "2130706433"])
async def test_j6_a_forbidden_address_is_not_requested_through_a_proxy_either(host: str) -> None:
    with forward_proxy() as proxy:
        message = await failure(fetcher(outbound_proxy=proxy.url), f"http://{host}/", found_at=FOUND_AT)
        assert proxy.passed == []
    assert "AuthGate does not connect to it" in message or "names no host" in message
