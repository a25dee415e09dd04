"""The contract of every key source: secrets, files and URLs. A new source needs one row here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest

from authgate.keysources import LoadFailed
from authgate.keysources.fetch import Route
from authgate.keysources.local import KEY_FILES, FileSource, SecretSource
from authgate.keysources.remote import DiscoverySource, JwksUrlSource
from authgate.tokens import jwk
from authgate.tokens.algorithms import ALL_ALGORITHMS
from tests.support.issuer import Issuer, running_issuer
from tests.support.tokens import OTHER_SECRET, SECRET, public_jwk, public_pem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from authgate.core.keys import KeySet
    from authgate.keysources import KeySource

HS256 = frozenset({"HS256"})
PASSWORD = "password-canary"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A source and the place of its keys: `publish` puts the set "A" or "B" there, `spoil` breaks it."""

    source: KeySource
    publish: Callable[[str], object]
    spoil: Callable[[], object]


def file_place(kind: str, allowed: frozenset[str], **contents: bytes) -> Callable[[Path, Issuer], Place]:
    def place(folder: Path, _: Issuer) -> Place:
        path = folder / kind
        return Place(
            source=FileSource(path, KEY_FILES[kind], allowed),
            publish=lambda name: path.write_bytes(contents[name]),
            spoil=lambda: path.write_bytes(b"no keys"),
        )

    return place


def url_place(source: Callable[[Issuer], KeySource]) -> Callable[[Path, Issuer], Place]:
    def place(_: Path, issuer: Issuer) -> Place:
        def publish(name: str) -> None:
            issuer.publish({"A": "K1", "B": "K2"}[name])
            issuer.answer("ok")

        return Place(source=source(issuer), publish=publish, spoil=lambda: issuer.answer("status", code=500))

    return place


def jwks(key_id: str) -> bytes:
    return json.dumps({"keys": [public_jwk("ES256", key_id)]}).encode()


ROUTE = Route(allow_http=True)
# A secret in the configuration cannot change or break, so it has a test of its own.
PLACES: dict[str, Callable[[Path, Issuer], Place]] = {
    "secret_file": file_place("secret_file", HS256, A=SECRET, B=OTHER_SECRET),
    "pem_file": file_place("pem_file", frozenset({"ES256", "Ed25519"}), A=public_pem("ES256"), B=public_pem("Ed25519")),
    "jwks_file": file_place("jwks_file", ALL_ALGORITHMS, A=jwks("K1"), B=jwks("K2")),
    "jwks_url": url_place(lambda issuer: JwksUrlSource(issuer.jwks_url, ROUTE, ALL_ALGORITHMS)),
    "discovery": url_place(lambda issuer: DiscoverySource(issuer.url, ROUTE, ALL_ALGORITHMS)),
}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    with running_issuer(tmp_path_factory.mktemp("issuer"), path="/tenant") as running:
        running.add("K2")
        yield running


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, issuer: Issuer) -> Place:
    """Each place in turn, with the set "A" in it."""
    place = PLACES[request.param](tmp_path, issuer)
    place.publish("A")
    return place


async def loaded(place: Place) -> KeySet:
    """Return the loaded key set, which has one key."""
    keys = (await place.source.load()).keys
    assert keys is not None
    assert (len(keys.keys), keys.skipped) == (1, ())
    return keys


async def failure(source: KeySource) -> str:
    with pytest.raises(LoadFailed) as failed:
        await source.load()
    return str(failed.value)


async def test_a_good_load_returns_the_keys_and_the_next_one_that_nothing_changed(place: Place) -> None:
    await loaded(place)
    for _ in range(2):
        assert (await place.source.load()).keys is None
    place.publish("A")  # the same content is not a change
    assert (await place.source.load()).keys is None


async def test_each_load_compares_only_with_the_last_one(place: Place) -> None:
    first = await loaded(place)
    fingerprint = first.fingerprint
    place.publish("B")
    second = await loaded(place)
    assert first.fingerprint == fingerprint != second.fingerprint
    place.publish("A")
    assert (await loaded(place)).fingerprint == fingerprint, "sets before the last one are not cached"


async def test_every_failed_load_names_the_source(place: Place) -> None:
    await loaded(place)
    place.spoil()
    where = place.source.where.partition(", by discovery of ")[0]
    for _ in range(3):
        assert where in await failure(place.source)


async def test_a_failure_before_the_first_good_load_has_no_effect_on_it(place: Place) -> None:
    place.spoil()
    await failure(place.source)
    place.publish("A")
    await loaded(place)


@pytest.mark.parametrize("back", ["A", "B"])
async def test_after_a_failure_keys_are_compared_with_the_last_good_load(place: Place, back: str) -> None:
    before = await loaded(place)
    place.spoil()
    await failure(place.source)
    place.publish(back)
    if back == "A":
        assert (await place.source.load()).keys is None
    else:
        assert (await loaded(place)).fingerprint != before.fingerprint
    assert (await place.source.load()).keys is None


async def test_a_secret_in_the_configuration_never_fails_and_never_changes() -> None:
    source = SecretSource(partial(jwk.from_secret, SECRET, HS256), "issuers[0].secret_env (APP_SECRET)")
    first = source.read()
    for _ in range(3):
        assert (await source.load()).keys is None
    assert source.read() == first


# -- secrets ------------------------------------------------------------------------------------------------------

PROXY = Route(allow_http=True, outbound_proxy=f"http://user:{PASSWORD}@127.0.0.1:1")  # nothing listens there


def secret_sources(folder: Path) -> dict[str, tuple[KeySource, str]]:
    """Return sources, each with a secret that it must not show."""
    weak = b"a\xc3\xa4" + SECRET[:5]
    (folder / "secret").write_bytes(weak)
    return {
        "secret": (SecretSource(SECRET, HS256), SECRET.decode()),
        "secret_file": (FileSource(folder / "secret", KEY_FILES["secret_file"], HS256), weak.decode()),
        "jwks_url": (JwksUrlSource("http://issuer.example/jwks", PROXY, ALL_ALGORITHMS), PASSWORD),
        "discovery": (DiscoverySource("http://issuer.example", PROXY, ALL_ALGORITHMS), PASSWORD),
    }


@pytest.mark.parametrize("name", ["secret", "secret_file", "jwks_url", "discovery"])
async def test_neither_where_nor_repr_nor_a_failure_shows_a_secret(tmp_path: Path, name: str) -> None:
    source, secret = secret_sources(tmp_path)[name]
    shown = f"{source.where} {source!r}"
    if name != "secret":
        shown += await failure(source)
    assert secret not in shown
