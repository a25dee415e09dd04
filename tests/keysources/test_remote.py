"""Keys by URL from a real issuer: changes are loaded, broken documents and those of other issuers are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate.keysources import Loaded, LoadFailed
from authgate.keysources.fetch import Route
from authgate.keysources.remote import DiscoverySource, JwksUrlSource
from authgate.tokens.algorithms import ALL_ALGORITHMS
from tests.support.certificates import Authority
from tests.support.issuer import Issuer, running_issuer
from tests.support.processes import free_port
from tests.support.tokens import public_jwk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authgate.keysources import KeySource

ROUTE = Route(allow_http=True)


@pytest.fixture(scope="module")
def issuer_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    with running_issuer(tmp_path_factory.mktemp("issuer"), path="/tenant") as running:
        running.add("K2")
        yield running


@pytest.fixture
def issuer(issuer_process: Issuer) -> Issuer:
    for path in (issuer_process.jwks_path, issuer_process.openid_path, issuer_process.oauth_path):
        issuer_process.document({}, on=path)
        issuer_process.answer("ok", on=path)
        issuer_process.headers({}, on=path)
        issuer_process.etag(None, on=path)
    issuer_process.publish("K1")
    issuer_process.discovery()
    issuer_process.forget()
    return issuer_process


@pytest.fixture
def jwks(issuer: Issuer) -> JwksUrlSource:
    return JwksUrlSource(issuer.jwks_url, ROUTE, ALL_ALGORITHMS)


@pytest.fixture
def discovered(issuer: Issuer) -> DiscoverySource:
    return DiscoverySource(issuer.url, ROUTE, ALL_ALGORITHMS)


def key_ids(loaded: Loaded) -> list[str | None] | None:
    """Return the key ids of the loaded set, None if it is unchanged."""
    return None if loaded.keys is None else [key.key_id for key in loaded.keys.keys]


async def failure(source: KeySource) -> str:
    with pytest.raises(LoadFailed) as failed:
        await source.load()
    return str(failed.value)


def paths(issuer: Issuer) -> list[str]:
    return [request.path for request in issuer.requests()]


def tags(issuer: Issuer) -> list[str | None]:
    return [request.headers.get("if-none-match") for request in issuer.requests(issuer.jwks_path)]


# -- jwks_url -----------------------------------------------------------------------------------------


async def test_every_key_of_the_set_is_loaded(issuer: Issuer, jwks: JwksUrlSource) -> None:
    issuer.publish("K1", "K2")
    assert key_ids(await jwks.load()) == ["K1", "K2"]
    assert jwks.where == issuer.jwks_url


async def test_fresh_seconds_are_returned_with_and_without_new_keys(issuer: Issuer, jwks: JwksUrlSource) -> None:
    issuer.headers({"Cache-Control": "max-age=123"})
    issuer.etag()
    assert [(await jwks.load()).fresh_seconds for _ in range(2)] == [123, 123]


async def test_the_same_document_is_no_change(issuer: Issuer, jwks: JwksUrlSource) -> None:
    assert key_ids(await jwks.load()) == ["K1"]
    assert key_ids(await jwks.load()) is None
    issuer.publish("K1", "K2")
    assert key_ids(await jwks.load()) == ["K1", "K2"]
    assert tags(issuer) == [None, None, None]


@pytest.mark.parametrize("kind", ["strong", "weak"])
async def test_a_document_with_the_same_entity_tag_is_not_sent_again(
    issuer: Issuer, jwks: JwksUrlSource, kind: str
) -> None:
    issuer.etag(kind)
    assert key_ids(await jwks.load()) == ["K1"]
    assert key_ids(await jwks.load()) is None
    assert key_ids(await jwks.load()) is None
    issuer.publish("K2")
    assert key_ids(await jwks.load()) == ["K2"]
    first, *later = tags(issuer)
    assert first is None
    assert len(set(later)) == 1


@pytest.mark.parametrize("broken", ["malformed", "empty_set", "garbage", "many_keys"])
async def test_a_broken_document_fails_the_load_and_the_next_good_one_is_used(
    issuer: Issuer, jwks: JwksUrlSource, broken: str
) -> None:
    assert key_ids(await jwks.load()) == ["K1"]
    issuer.answer(broken)
    for _ in range(2):
        assert (await failure(jwks)).startswith(f"{issuer.jwks_url}: it")
    issuer.answer("ok")
    assert key_ids(await jwks.load()) is None
    issuer.publish("K2")
    assert key_ids(await jwks.load()) == ["K2"]


async def test_an_outage_changes_nothing(issuer: Issuer, jwks: JwksUrlSource) -> None:
    issuer.etag()
    assert key_ids(await jwks.load()) == ["K1"]
    issuer.answer("status", code=500, times=1)
    assert await failure(jwks) == f"{issuer.jwks_url} answers 500"
    assert key_ids(await jwks.load()) is None


async def test_the_entity_tag_of_a_broken_document_is_not_sent(issuer: Issuer, jwks: JwksUrlSource) -> None:
    issuer.etag()
    issuer.answer("empty_set")
    for _ in range(2):
        assert "it holds no key that can verify a signature" in await failure(jwks)
    issuer.answer("ok")
    assert key_ids(await jwks.load()) == ["K1"]
    assert tags(issuer) == [None, None, None]


async def test_an_entity_tag_that_the_issuer_no_longer_sends_is_dropped(issuer: Issuer, jwks: JwksUrlSource) -> None:
    issuer.etag()
    await jwks.load()
    issuer.etag(None)
    await jwks.load()
    await jwks.load()
    assert [tag is None for tag in tags(issuer)] == [True, False, True]


async def test_a_bad_key_is_skipped_and_the_others_are_used(issuer: Issuer, jwks: JwksUrlSource) -> None:
    issuer.answer("bad_key")
    loaded = await jwks.load()
    assert key_ids(loaded) == ["K1"]
    assert loaded.keys is not None
    (skipped,) = loaded.keys.skipped
    assert skipped.startswith("key 'bad': 'n' ")


async def test_keys_of_other_algorithms_than_the_allowed_ones_are_not_used(issuer: Issuer) -> None:
    issuer.document({"keys": [public_jwk("ES384", "other"), issuer.keys["K1"].jwk]})
    assert key_ids(await JwksUrlSource(issuer.jwks_url, ROUTE, frozenset({"ES256"})).load()) == ["K1"]


# -- discovery ----------------------------------------------------------------------------------------------------


async def test_openid_connect_discovery_is_tried_first(issuer: Issuer, discovered: DiscoverySource) -> None:
    assert key_ids(await discovered.load()) == ["K1"]
    assert key_ids(await discovered.load()) is None
    assert paths(issuer) == [issuer.openid_path, issuer.jwks_path] * 2
    assert discovered.where == f"{issuer.jwks_url}, by discovery of {issuer.url}"


def gone(issuer: Issuer) -> None:
    issuer.answer("status", code=404, on=issuer.openid_path)


def a_start_page(issuer: Issuer) -> None:
    issuer.answer("body", text="<!doctype html>", on=issuer.openid_path)


def of_another_issuer(issuer: Issuer) -> None:
    issuer.discovery(issuer="https://other.example", on=issuer.openid_path)


def without_keys(issuer: Issuer) -> None:
    issuer.discovery(jwks_uri=None, on=issuer.openid_path)


@pytest.mark.parametrize("openid", [gone, a_start_page, of_another_issuer, without_keys])
async def test_rfc_8414_is_tried_after_openid_connect_and_first_once_it_has_worked(
    issuer: Issuer, discovered: DiscoverySource, openid: Any
) -> None:
    openid(issuer)
    assert key_ids(await discovered.load()) == ["K1"]
    assert paths(issuer) == [issuer.openid_path, issuer.oauth_path, issuer.jwks_path]
    issuer.forget()
    await discovered.load()
    assert paths(issuer) == [issuer.oauth_path, issuer.jwks_path]
    issuer.forget()
    issuer.discovery()
    issuer.answer("ok", on=issuer.openid_path)
    issuer.answer("status", code=500, times=1, on=issuer.oauth_path)
    await discovered.load()
    assert paths(issuer) == [issuer.oauth_path, issuer.openid_path, issuer.jwks_path]
    issuer.forget()
    await discovered.load()
    assert paths(issuer) == [issuer.openid_path, issuer.jwks_path]


async def test_if_both_discoveries_fail_the_message_names_both(issuer: Issuer, discovered: DiscoverySource) -> None:
    gone(issuer)
    issuer.answer("status", code=503, on=issuer.oauth_path)
    assert await failure(discovered) == f"{issuer.openid_url} answers 404; {issuer.oauth_url} answers 503"
    issuer.answer("ok", on=issuer.openid_path)
    assert key_ids(await discovered.load()) == ["K1"]


async def test_a_trailing_slash_of_the_issuer_must_match(issuer: Issuer) -> None:
    source = DiscoverySource(f"{issuer.url}/", ROUTE, ALL_ALGORITHMS)
    assert "remove the / at the end" in await failure(source)
    issuer.discovery(issuer=f"{issuer.url}/")
    assert key_ids(await source.load()) == ["K1"]


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.removesuffix("/tenant"),
        lambda url: f"{url}/",
        lambda url: f"{url}2",
        lambda url: url.replace("/tenant", "/Tenant"),
        lambda url: "https://evil.example",
    ],
    ids=["prefix", "slash", "longer", "case", "other"],
)
async def test_j13_a_document_of_another_issuer_is_refused(
    issuer: Issuer, discovered: DiscoverySource, change: Any
) -> None:
    issuer.discovery(issuer=change(issuer.url))
    message = await failure(discovered)
    for url in (issuer.openid_url, issuer.oauth_url):
        assert f"{url}: its issuer is {change(issuer.url)!r}, but the configured issuer is {issuer.url!r}" in message
    assert issuer.requests(issuer.jwks_path) == []


@pytest.mark.parametrize("other", [None, [], ["self"], 7], ids=repr)
async def test_j13_a_document_without_an_issuer_is_refused(
    issuer: Issuer, discovered: DiscoverySource, other: Any
) -> None:
    issuer.discovery(issuer=[issuer.url] if other == ["self"] else other)
    assert "its issuer is missing or not a string" in await failure(discovered)
    assert issuer.requests(issuer.jwks_path) == []


@pytest.mark.parametrize("uri", [None, 5, ["https://issuer.example/jwks"], {}], ids=repr)
async def test_a_document_without_a_jwks_uri_is_refused(issuer: Issuer, discovered: DiscoverySource, uri: Any) -> None:
    issuer.discovery(jwks_uri=uri)
    assert "it has no jwks_uri" in await failure(discovered)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("file:///etc/passwd", "is not an https URL"),
        ("ftp://issuer.example/jwks", "is not an https URL"),
        ('data:application/json,{"keys":[]}', "is not an https URL"),
        ("/jwks", "is not an https URL"),
        ("", "is longer than 2048 characters, or holds"),
        ("https://user:password@issuer.example/", "holds credentials"),
        ("https://issuer.example/\r\nX: y", "is longer than 2048 characters, or holds"),
        ("https://169.254.169.254/latest/meta-data", "a link-local address, where clouds keep credentials"),
        ("https://[::ffff:169.254.169.254]/", "a link-local address"),
        ("https://[fd00:ec2::254]/", "the address of a cloud's metadata service"),
        ("https://0.0.0.0/", "not the address of a host"),
        ("https://[::]/", "not the address of a host"),
        ("https://2852039166/", "names no host"),
        ("https://0xa9fea9fe/", "names no host"),
        ("https://169.254.43518/", "names no host"),
        ("https://0251.0376.0251.0376/", "names no host"),
    ],
)
async def test_j6_a_bad_or_forbidden_jwks_uri_is_not_requested(
    issuer: Issuer, discovered: DiscoverySource, uri: str, reason: str
) -> None:
    issuer.discovery(jwks_uri=uri)
    message = await failure(discovered)
    assert reason in message
    assert message.endswith(f"(the jwks_uri of {issuer.openid_url})")
    assert paths(issuer) == [issuer.openid_path]


async def test_j6_a_jwks_uri_with_plain_http_is_refused_unless_allowed(issuer: Issuer, tmp_path: Path) -> None:
    assert "is plain http" in await failure(DiscoverySource(issuer.url, Route(), ALL_ALGORITHMS))
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    with running_issuer(tmp_path, tls=authority.issue("127.0.0.1")) as tls_issuer:
        tls_issuer.discovery(jwks_uri=issuer.jwks_url)
        ca_file = str(tmp_path / "ca.pem")
        message = await failure(DiscoverySource(tls_issuer.url, Route(ca_file=ca_file), ALL_ALGORITHMS))
        assert message.startswith(f"{issuer.jwks_url!r} is plain http")
        assert message.endswith(f"(the jwks_uri of {tls_issuer.openid_url})")
        assert issuer.connections() == 0
        allowed = DiscoverySource(tls_issuer.url, Route(ca_file=ca_file, allow_http=True), ALL_ALGORITHMS)
        assert key_ids(await allowed.load()) == ["K1"]


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
async def test_j6_a_loopback_jwks_uri_is_refused_if_the_issuer_has_another_host(
    issuer: Issuer, discovered: DiscoverySource, host: str
) -> None:
    issuer.discovery(jwks_uri=issuer.jwks_url.replace("127.0.0.1", host))
    assert "a loopback address; AuthGate does not connect to it" in await failure(discovered)
    assert issuer.requests(issuer.jwks_path) == []
    assert issuer.connections() == 1


async def test_a_changed_jwks_uri_is_used(issuer: Issuer, discovered: DiscoverySource) -> None:
    issuer.etag()
    assert key_ids(await discovered.load()) == ["K1"]
    issuer.document({"keys": [issuer.keys["K2"].jwk]}, on="/moved")
    issuer.discovery(jwks_uri=issuer.jwks_url.replace(issuer.jwks_path, "/moved"))
    issuer.etag(on="/moved")
    assert key_ids(await discovered.load()) == ["K2"]
    assert issuer.requests("/moved")[0].headers.get("if-none-match") is None  # not the one of the old jwks_uri
    assert key_ids(await discovered.load()) is None
    issuer.discovery()
    assert key_ids(await discovered.load()) == ["K1"]


async def test_a_failure_at_the_jwks_uri_names_the_discovery_document(
    issuer: Issuer, discovered: DiscoverySource
) -> None:
    issuer.answer("empty_set")
    assert (await failure(discovered)).endswith(f"(the jwks_uri of {issuer.openid_url})")
    closed_port = free_port()
    issuer.discovery(jwks_uri=f"http://127.0.0.1:{closed_port}/jwks")
    assert f"no connection to 127.0.0.1 on port {closed_port}" in await failure(discovered)
