"""The tests' forward proxy passes requests on, records them, and requires credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.support.certificates import Authority
from tests.support.forward_proxy import forward_proxy
from tests.support.issuer import running_issuer
from tests.support.processes import free_port

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_plain_request_goes_through_in_absolute_form(tmp_path: Path) -> None:
    with running_issuer(tmp_path) as issuer, forward_proxy() as proxy:
        issuer.etag()
        async with aiohttp.ClientSession() as session:
            async with session.get(issuer.jwks_url, proxy=proxy.url) as answer:
                assert [key["kid"] for key in (await answer.json())["keys"]] == ["K1"]
                tag = answer.headers["ETag"]
            async with session.get(issuer.jwks_url, proxy=proxy.url, headers={"If-None-Match": tag}) as answer:
                assert answer.status == 304
        assert [(row.method, row.target, row.status) for row in proxy.passed] == [
            ("GET", issuer.jwks_url, 200),
            ("GET", issuer.jwks_url, 304),
        ]
        assert [row.path for row in issuer.requests()] == [issuer.jwks_path] * 2


async def test_https_goes_through_a_tunnel_to_a_host_that_only_the_proxy_finds(tmp_path: Path) -> None:
    authority = Authority()
    pair = authority.issue("issuer.example")
    with running_issuer(tmp_path, tls=pair, host="issuer.example") as issuer:
        port = int(issuer.url.rpartition(":")[2])
        with forward_proxy(names={"issuer.example": ("127.0.0.1", port)}) as proxy:
            async with (
                aiohttp.ClientSession() as session,
                session.get(issuer.jwks_url, proxy=proxy.url, ssl=authority.context()) as answer,
            ):
                assert answer.status == 200
            assert [(row.method, row.target, row.status) for row in proxy.passed] == [
                ("CONNECT", f"issuer.example:{port}", 200)
            ]


async def test_the_proxy_lets_nobody_through_who_does_not_know_its_password(tmp_path: Path) -> None:
    pair = (authority := Authority()).issue("127.0.0.1")
    with running_issuer(tmp_path, tls=pair) as issuer, forward_proxy(login=("ada", "a-password")) as proxy:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientHttpProxyError) as refused:
                await session.get(issuer.jwks_url, proxy=f"http://127.0.0.1:{proxy.port}", ssl=authority.context())
            assert refused.value.status == 407
            assert issuer.connections() == 0
            async with session.get(issuer.jwks_url, proxy=proxy.url, ssl=authority.context()) as answer:
                assert answer.status == 200
        assert [row.status for row in proxy.passed] == [407, 200]
        assert [sorted(row.headers) for row in issuer.requests()] == [
            ["accept", "accept-encoding", "host", "user-agent"]
        ]


async def test_a_proxy_that_fails_answers_with_a_status_of_its_own(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/jwks"
    with running_issuer(tmp_path) as issuer, forward_proxy() as proxy:
        async with aiohttp.ClientSession() as session:
            async with session.get(nobody, proxy=proxy.url) as answer:
                assert answer.status == 502
            proxy.refuse_with = 503
            async with session.get(issuer.jwks_url, proxy=proxy.url) as answer:
                assert answer.status == 503
        assert issuer.requests() == []
