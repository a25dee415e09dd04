"""The bearer token for keys is sent over real TLS to the server that demands it, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from authgate.keysources.fetch import Route
from authgate.keysources.remote import JwksUrlSource
from authgate.tokens.algorithms import ALL_ALGORITHMS
from tests.support.bearer import TOKEN, refused, sent
from tests.support.fetching import NAME, Names, answering, failure, fetcher, named
from tests.support.forward_proxy import forward_proxy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.issuer import Issuer


async def test_the_token_in_the_file_is_sent(demanding: Issuer, route: dict[str, Any]) -> None:
    loaded = await JwksUrlSource(demanding.jwks_url, Route(**route), ALL_ALGORITHMS).load()
    assert loaded.keys is not None
    assert [key.key_id for key in loaded.keys.keys] == ["K1"]
    assert sent(demanding) == [(demanding.jwks_path, f"Bearer {TOKEN}")]


async def test_without_a_file_no_token_is_sent(demanding: Issuer, ca_file: str) -> None:
    message = await failure(fetcher(ca_file=ca_file), demanding.jwks_url)
    assert message == f"{demanding.jwks_url} answers 401"
    assert sent(demanding) == [(demanding.jwks_path, None)]


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (401, "check that the token is for this server and that it has not expired"),
        (403, "bind the ClusterRole system:service-account-issuer-discovery to it"),
    ],
)
async def test_a_refusal_of_the_token_names_the_file_and_what_to_do(
    tls_issuer: Issuer, route: dict[str, Any], token_file: Path, code: int, advice: str
) -> None:
    tls_issuer.answer("status", code=code)
    message = await refused(JwksUrlSource(tls_issuer.jwks_url, Route(**route), ALL_ALGORITHMS))
    assert message.startswith(f"{tls_issuer.jwks_url} answers {code}: ")
    assert f"the token in {token_file} (jwks_token_file)" in message
    assert advice in message


@pytest.mark.parametrize("code", [404, 500, 503])
async def test_any_other_failure_does_not_blame_the_token(tls_issuer: Issuer, route: dict[str, Any], code: int) -> None:
    tls_issuer.answer("status", code=code)
    assert await failure(fetcher(**route), tls_issuer.jwks_url) == f"{tls_issuer.jwks_url} answers {code}"


async def test_the_token_is_not_sent_over_plain_http_to_another_machine(
    issuer: Issuer, route: dict[str, Any], names: Names
) -> None:
    names.addresses[NAME] = ["127.0.0.1"]
    message = await failure(fetcher(**route | {"allow_http": True}), named(issuer))
    assert message.startswith(f"{named(issuer)} is plain http: others could read the token in ")
    assert issuer.connections() == 0
    assert "is plain http" in await failure(fetcher(**route), issuer.jwks_url)
    assert issuer.connections() == 0


async def test_the_token_is_sent_over_plain_http_to_this_machine_if_plain_http_is_allowed(
    issuer: Issuer, route: dict[str, Any]
) -> None:
    issuer.answer("bearer", token=TOKEN)
    assert (await fetcher(**route | {"allow_http": True}).get(issuer.jwks_url)).body


async def test_the_token_is_not_sent_in_clear_to_an_outbound_proxy(issuer: Issuer, route: dict[str, Any]) -> None:
    with forward_proxy() as proxy:
        fetching = fetcher(**route | {"allow_http": True, "outbound_proxy": proxy.url})
        assert "others could read the token" in await failure(fetching, issuer.jwks_url)
        assert proxy.passed == []


async def test_an_outbound_proxy_only_sees_the_tunnel_in_which_the_token_is_sent(
    demanding: Issuer, route: dict[str, Any], names: Names
) -> None:
    names.addresses[NAME] = []
    with forward_proxy(names={NAME: ("127.0.0.1", urlsplit(demanding.url).port or 0)}) as proxy:
        assert (await fetcher(**route, outbound_proxy=proxy.url).get(f"https://{NAME}{demanding.jwks_path}")).body
    (passed,) = proxy.passed
    assert passed.method == "CONNECT"
    assert "canary" not in str(passed)
    assert sent(demanding) == [(demanding.jwks_path, f"Bearer {TOKEN}")]


@pytest.mark.parametrize("code", [301, 307])
async def test_the_token_does_not_follow_a_redirect(tls_issuer: Issuer, route: dict[str, Any], code: int) -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (target, heads):
        tls_issuer.answer("redirect", to=target, code=code)
        assert "redirects are not followed" in await failure(fetcher(**route), tls_issuer.jwks_url)
        assert heads == []
