"""Keys by URL, from a real issuer: what changes is taken over, and nothing broken or foreign is."""

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
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    with running_issuer(tmp_path_factory.mktemp("issuer"), path="/tenant") as running:
        running.add("K2")
        yield running


@pytest.fixture
def one(shared: Issuer) -> Issuer:
    for path in (shared.jwks_path, shared.openid_path, shared.oauth_path):
        shared.document({}, on=path)
        shared.answer("ok", on=path)
        shared.headers({}, on=path)
        shared.etag(None, on=path)
    shared.publish("K1")
    shared.discovery()
    shared.forget()
    return shared


@pytest.fixture
def jwks(one: Issuer) -> JwksUrlSource:
    return JwksUrlSource(one.jwks_url, ROUTE, ALL_ALGORITHMS)


@pytest.fixture
def discovered(one: Issuer) -> DiscoverySource:
    return DiscoverySource(one.url, ROUTE, ALL_ALGORITHMS)


def key_ids(loaded: Loaded) -> list[str | None] | None:
    """Return the key ids of what was loaded, None where it is unchanged."""
    return None if loaded.keys is None else [key.key_id for key in loaded.keys.keys]


async def failure(source: KeySource) -> str:
    with pytest.raises(LoadFailed) as failed:
        await source.load()
    return str(failed.value)


def paths(one: Issuer) -> list[str]:
    return [request.path for request in one.requests()]


def tags(one: Issuer) -> list[str | None]:
    return [request.headers.get("if-none-match") for request in one.requests(one.jwks_path)]


# -- a configured address -----------------------------------------------------------------------------------------


async def test_the_keys_are_those_of_the_set(one: Issuer, jwks: JwksUrlSource) -> None:
    one.publish("K1", "K2")
    assert key_ids(await jwks.load()) == ["K1", "K2"]
    assert jwks.where == one.jwks_url


async def test_how_long_it_is_fresh_is_told_with_the_keys_and_without(one: Issuer, jwks: JwksUrlSource) -> None:
    one.headers({"Cache-Control": "max-age=123"})
    one.etag()
    assert [(await jwks.load()).fresh_seconds for _ in range(2)] == [123, 123]


async def test_the_same_document_is_no_change(one: Issuer, jwks: JwksUrlSource) -> None:
    assert key_ids(await jwks.load()) == ["K1"]
    assert key_ids(await jwks.load()) is None
    one.publish("K1", "K2")
    assert key_ids(await jwks.load()) == ["K1", "K2"]
    assert tags(one) == [None, None, None]


@pytest.mark.parametrize("kind", ["strong", "weak"])
async def test_a_document_of_the_same_entity_tag_is_not_sent_again(one: Issuer, jwks: JwksUrlSource, kind: str) -> None:
    one.etag(kind)
    assert key_ids(await jwks.load()) == ["K1"]
    assert key_ids(await jwks.load()) is None
    assert key_ids(await jwks.load()) is None
    one.publish("K2")
    assert key_ids(await jwks.load()) == ["K2"]
    first, *later = tags(one)
    assert first is None
    assert len(set(later)) == 1


@pytest.mark.parametrize("broken", ["malformed", "empty_set", "garbage", "many_keys"])
async def test_a_broken_document_fails_the_load_and_the_next_good_one_counts(
    one: Issuer, jwks: JwksUrlSource, broken: str
) -> None:
    assert key_ids(await jwks.load()) == ["K1"]
    one.answer(broken)
    for _ in range(2):
        assert (await failure(jwks)).startswith(f"{one.jwks_url}: it")
    one.answer("ok")
    assert key_ids(await jwks.load()) is None
    one.publish("K2")
    assert key_ids(await jwks.load()) == ["K2"]


async def test_an_outage_changes_nothing(one: Issuer, jwks: JwksUrlSource) -> None:
    one.etag()
    assert key_ids(await jwks.load()) == ["K1"]
    one.answer("status", code=500, times=1)
    assert await failure(jwks) == f"{one.jwks_url} answers 500"
    assert key_ids(await jwks.load()) is None


async def test_the_entity_tag_of_a_broken_document_is_not_remembered(one: Issuer, jwks: JwksUrlSource) -> None:
    one.etag()
    one.answer("empty_set")
    for _ in range(2):
        assert "it holds no key that can verify a signature" in await failure(jwks)
    one.answer("ok")
    assert key_ids(await jwks.load()) == ["K1"]
    assert tags(one) == [None, None, None]


async def test_an_entity_tag_that_is_sent_no_more_is_forgotten(one: Issuer, jwks: JwksUrlSource) -> None:
    one.etag()
    await jwks.load()
    one.etag(None)
    await jwks.load()
    await jwks.load()
    assert [tag is None for tag in tags(one)] == [True, False, True]


async def test_one_bad_key_does_not_take_the_others_with_it(one: Issuer, jwks: JwksUrlSource) -> None:
    one.answer("bad_key")
    loaded = await jwks.load()
    assert key_ids(loaded) == ["K1"]
    assert loaded.keys is not None
    assert loaded.keys.skipped == ("key 'bad': 'n' is missing or not unpadded base64url",)


async def test_only_algorithms_that_the_issuer_accepts_count(one: Issuer) -> None:
    one.document({"keys": [public_jwk("ES384", "other"), one.keys["K1"].jwk]})
    assert key_ids(await JwksUrlSource(one.jwks_url, ROUTE, frozenset({"ES256"})).load()) == ["K1"]


# -- discovery ----------------------------------------------------------------------------------------------------


async def test_openid_connect_is_asked_first(one: Issuer, discovered: DiscoverySource) -> None:
    assert key_ids(await discovered.load()) == ["K1"]
    assert key_ids(await discovered.load()) is None
    assert paths(one) == [one.openid_path, one.jwks_path] * 2
    assert discovered.where == f"{one.jwks_url}, by discovery of {one.url}"


def gone(one: Issuer) -> None:
    one.answer("status", code=404, on=one.openid_path)


def a_start_page(one: Issuer) -> None:
    one.answer("body", text="<!doctype html>", on=one.openid_path)


def of_another_issuer(one: Issuer) -> None:
    one.discovery(issuer="https://other.example", on=one.openid_path)


def without_keys(one: Issuer) -> None:
    one.discovery(jwks_uri=None, on=one.openid_path)


@pytest.mark.parametrize("openid", [gone, a_start_page, of_another_issuer, without_keys])
async def test_rfc_8414_is_asked_where_openid_connect_gives_no_answer_and_first_from_then_on(
    one: Issuer, discovered: DiscoverySource, openid: Any
) -> None:
    openid(one)
    assert key_ids(await discovered.load()) == ["K1"]
    assert paths(one) == [one.openid_path, one.oauth_path, one.jwks_path]
    one.forget()
    await discovered.load()
    assert paths(one) == [one.oauth_path, one.jwks_path]
    one.forget()
    one.discovery()
    one.answer("ok", on=one.openid_path)
    one.answer("status", code=500, times=1, on=one.oauth_path)
    await discovered.load()
    assert paths(one) == [one.oauth_path, one.openid_path, one.jwks_path]
    one.forget()
    await discovered.load()
    assert paths(one) == [one.openid_path, one.jwks_path]


async def test_where_neither_answers_both_are_told(one: Issuer, discovered: DiscoverySource) -> None:
    gone(one)
    one.answer("status", code=503, on=one.oauth_path)
    assert await failure(discovered) == f"{one.openid_url} answers 404; {one.oauth_url} answers 503"
    one.answer("ok", on=one.openid_path)
    assert key_ids(await discovered.load()) == ["K1"]


async def test_an_issuer_with_a_slash_at_its_end_is_found_and_must_name_itself_so(one: Issuer) -> None:
    source = DiscoverySource(f"{one.url}/", ROUTE, ALL_ALGORITHMS)
    assert "they must be the same, character by character" in await failure(source)
    one.discovery(issuer=f"{one.url}/")
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
async def test_j13_a_document_of_another_issuer_is_not_believed(
    one: Issuer, discovered: DiscoverySource, change: Any
) -> None:
    one.discovery(issuer=change(one.url))
    said = await failure(discovered)
    for url in (one.openid_url, one.oauth_url):
        assert f"{url}: its issuer is {change(one.url)!r}, but the configured issuer is {one.url!r}" in said
    assert one.requests(one.jwks_path) == []


@pytest.mark.parametrize("other", [None, [], ["self"], 7], ids=repr)
async def test_j13_a_document_without_an_issuer_is_not_believed(
    one: Issuer, discovered: DiscoverySource, other: Any
) -> None:
    one.discovery(issuer=[one.url] if other == ["self"] else other)
    assert "its issuer is missing or not a string" in await failure(discovered)
    assert one.requests(one.jwks_path) == []


@pytest.mark.parametrize("uri", [None, 5, ["https://issuer.example/jwks"], {}], ids=repr)
async def test_a_document_without_a_place_of_keys_is_no_use(one: Issuer, discovered: DiscoverySource, uri: Any) -> None:
    one.discovery(jwks_uri=uri)
    assert "it has no jwks_uri" in await failure(discovered)


@pytest.mark.parametrize(
    ("uri", "why"),
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
async def test_j6_a_place_of_keys_that_is_none_is_not_asked(
    one: Issuer, discovered: DiscoverySource, uri: str, why: str
) -> None:
    one.discovery(jwks_uri=uri)
    said = await failure(discovered)
    assert why in said
    assert said.endswith(f"(the jwks_uri of {one.openid_url})")
    assert paths(one) == [one.openid_path]


async def test_j6_a_place_of_keys_by_plain_http_is_refused_unless_allowed(one: Issuer, tmp_path: Path) -> None:
    assert "is plain http" in await failure(DiscoverySource(one.url, Route(), ALL_ALGORITHMS))
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    with running_issuer(tmp_path, tls=authority.issue("127.0.0.1")) as over_tls:
        over_tls.discovery(jwks_uri=one.jwks_url)
        ca_file = str(tmp_path / "ca.pem")
        said = await failure(DiscoverySource(over_tls.url, Route(ca_file=ca_file), ALL_ALGORITHMS))
        assert said.startswith(f"{one.jwks_url!r} is plain http")
        assert said.endswith(f"(the jwks_uri of {over_tls.openid_url})")
        assert one.connections() == 0
        allowed = DiscoverySource(over_tls.url, Route(ca_file=ca_file, allow_http=True), ALL_ALGORITHMS)
        assert key_ids(await allowed.load()) == ["K1"]


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
async def test_j6_a_place_of_keys_on_this_machine_is_refused_where_the_issuer_has_another_name(
    one: Issuer, discovered: DiscoverySource, host: str
) -> None:
    one.discovery(jwks_uri=one.jwks_url.replace("127.0.0.1", host))
    assert "a loopback address; AuthGate does not connect to it" in await failure(discovered)
    assert one.requests(one.jwks_path) == []
    assert one.connections() == 1


async def test_a_place_of_keys_that_changes_is_followed(one: Issuer, discovered: DiscoverySource) -> None:
    one.etag()
    assert key_ids(await discovered.load()) == ["K1"]
    one.document({"keys": [one.keys["K2"].jwk]}, on="/moved")
    one.discovery(jwks_uri=one.jwks_url.replace(one.jwks_path, "/moved"))
    one.etag(on="/moved")
    assert key_ids(await discovered.load()) == ["K2"]
    assert one.requests("/moved")[0].headers.get("if-none-match") is None  # that of the old place says nothing here
    assert key_ids(await discovered.load()) is None
    one.discovery()
    assert key_ids(await discovered.load()) == ["K1"]


async def test_a_failure_at_the_place_of_keys_names_the_document(one: Issuer, discovered: DiscoverySource) -> None:
    one.answer("empty_set")
    assert (await failure(discovered)).endswith(f"(the jwks_uri of {one.openid_url})")
    gone_port = free_port()
    one.discovery(jwks_uri=f"http://127.0.0.1:{gone_port}/jwks")
    assert f"no connection to 127.0.0.1 on port {gone_port}" in await failure(discovered)
