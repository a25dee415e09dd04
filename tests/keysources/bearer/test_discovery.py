"""Discovery sends the bearer token for the metadata and for keys of the same origin, and to no other origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from authgate.keysources.fetch import Route
from authgate.keysources.remote import DiscoverySource, JwksUrlSource
from authgate.tokens.algorithms import ALL_ALGORITHMS
from tests.support.bearer import TOKEN, refused, sent
from tests.support.fetching import NAME, Names
from tests.support.forward_proxy import forward_proxy
from tests.support.issuer import Issuer, running_issuer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.certificates import Authority


async def test_discovery_sends_the_token_for_the_metadata_and_for_keys_of_the_same_origin(
    demanding: Issuer, route: dict[str, Any]
) -> None:
    loaded = await DiscoverySource(demanding.url, Route(**route), ALL_ALGORITHMS).load()
    assert loaded.keys is not None
    assert sent(demanding) == [
        (demanding.openid_path, f"Bearer {TOKEN}"),
        (demanding.jwks_path, f"Bearer {TOKEN}"),
    ]


async def test_the_same_origin_in_another_spelling_gets_the_token(
    demanding: Issuer, route: dict[str, Any], names: Names
) -> None:
    names.addresses |= {NAME: ["10.0.0.1"], NAME.upper(): ["10.0.0.1"]}
    url = f"https://{NAME}"
    with forward_proxy(names={NAME: ("127.0.0.1", urlsplit(demanding.url).port or 0)}) as proxy:
        demanding.discovery(issuer=url, jwks_uri=f"https://{NAME.upper()}:443{demanding.jwks_path}")
        source = DiscoverySource(url, Route(**route, outbound_proxy=proxy.url), ALL_ALGORITHMS)
        assert (await source.load()).keys is not None
    assert {token for _, token in sent(demanding)} == {f"Bearer {TOKEN}"}


@pytest.fixture
def elsewhere(tmp_path: Path, authority: Authority) -> Iterator[Issuer]:
    """Another server on this host, at another port, so of another origin."""
    with running_issuer(tmp_path, tls=authority.issue("127.0.0.1")) as running:
        yield running


async def test_keys_of_another_origin_are_fetched_without_the_token(
    demanding: Issuer, route: dict[str, Any], elsewhere: Issuer
) -> None:
    demanding.discovery(jwks_uri=elsewhere.jwks_url)
    loaded = await DiscoverySource(demanding.url, Route(**route), ALL_ALGORITHMS).load()
    assert loaded.keys is not None
    assert sent(demanding) == [(demanding.openid_path, f"Bearer {TOKEN}")]
    assert sent(elsewhere) == [(elsewhere.jwks_path, None)]


async def test_if_another_origin_demands_the_token_the_message_says_to_configure_its_address(
    demanding: Issuer, route: dict[str, Any], elsewhere: Issuer, token_file: Path
) -> None:
    """The metadata of Kubernetes often names the address of one API server, not the name that pods use."""
    elsewhere.answer("bearer", token=TOKEN)
    demanding.discovery(jwks_uri=elsewhere.jwks_url)
    message = await refused(DiscoverySource(demanding.url, Route(**route), ALL_ALGORITHMS))
    assert message.startswith(f"{elsewhere.jwks_url} answers 401: the token in {token_file} (jwks_token_file) was not")
    assert "set jwks_url to the address of the keys" in message
    assert sent(elsewhere) == [(elsewhere.jwks_path, None)]
    configured = JwksUrlSource(elsewhere.jwks_url, Route(**route), ALL_ALGORITHMS)
    assert (await configured.load()).keys is not None


async def test_keys_over_plain_http_on_the_same_host_are_fetched_without_the_token(
    demanding: Issuer, route: dict[str, Any], issuer: Issuer
) -> None:
    demanding.discovery(jwks_uri=issuer.jwks_url)
    source = DiscoverySource(demanding.url, Route(**route | {"allow_http": True}), ALL_ALGORITHMS)
    assert (await source.load()).keys is not None
    assert sent(issuer) == [(issuer.jwks_path, None)]
