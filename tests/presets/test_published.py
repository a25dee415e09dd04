"""Each preset loads the documents of its provider, in their real shapes, at their real addresses, over TLS.

A proxy leads the providers' hosts to the tests' issuer, which has the same documents under all of these names. It leads
hosts that are spelled wrong to a port where nothing answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from authgate.issuers import key_sources
from authgate.presets.providers import PROVIDERS
from authgate.tokens.jwk import MAX_KEYS
from authgate.wiring import prepare
from tests.support import commands
from tests.support.certificates import Authority
from tests.support.forward_proxy import forward_proxy
from tests.support.issuer import Issuer, running_issuer
from tests.support.provider import Provider, its_tests
from tests.support.published import Published, Wrong, signing_key, size_bytes

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from authgate.config.load import LoadedConfig

ROWS: list[tuple[str, Published]] = [(name, published) for name in PROVIDERS for published in its_tests(name).PUBLISHED]
WRONG = [(name, published, wrong) for name, published in ROWS for wrong in published.wrong]
HOSTS = sorted({host for _, published in ROWS for host in published.hosts})
UNREACHABLE_HOSTS = {host for _, published in ROWS for host in published.unreachable}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Issuer]:
    with running_issuer(tmp_path_factory.mktemp("issuer"), tls=authority.issue("127.0.0.1", *HOSTS)) as running:
        for path in (running.jwks_path, running.openid_path, running.oauth_path):
            running.withdraw(path)
        yield running


@pytest.fixture(scope="module")
def proxy_url(issuer: Issuer) -> Iterator[str]:
    address, closed = ("127.0.0.1", urlsplit(issuer.url).port or 0), ("127.0.0.1", 1)
    with forward_proxy(names=dict.fromkeys(HOSTS, address) | dict.fromkeys(UNREACHABLE_HOSTS, closed)) as running:
        yield running.url


@dataclass(frozen=True, slots=True)
class Fetching:
    """Fetches keys with the configuration of a provider's page, from what the provider publishes."""

    issuer: Issuer
    folder: Path
    route: Mapping[str, str]
    paths: set[str] = field(default_factory=set)

    def load(self, name: str, published: Published, settings: Mapping[str, Any] | None = None) -> LoadedConfig:
        """Publish the documents, and return the configuration. *settings* replace those of *published*."""
        published.on(self.issuer)
        self.paths.update(published.documents)
        return Provider(name).load(self.folder, {**published.settings, **(settings or {}), **self.route})

    def check(
        self, name: str, published: Published, settings: Mapping[str, Any] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `authgate check --fetch`. *settings* replace those of *published*."""
        self.load(name, published, settings)
        return commands.authgate("check", "--fetch", "--config", self.folder / "authgate.yaml")


@pytest.fixture
def fetching(issuer: Issuer, proxy_url: str, authority: Authority, tmp_path: Path) -> Iterator[Fetching]:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(authority.pem)
    issuer.forget()
    fetching = Fetching(issuer, tmp_path, {"ca_file": str(ca_file), "outbound_proxy": proxy_url})
    yield fetching
    for path in fetching.paths:
        issuer.withdraw(path)


@pytest.mark.parametrize(("name", "published"), ROWS, ids=str)
async def test_the_keys_that_sign_are_loaded_and_a_token_under_each_is_accepted(
    name: str, published: Published, fetching: Fetching
) -> None:
    configured = fetching.load(name, published)
    (loaded,) = configured.issuers
    (source,) = key_sources(loaded).values()
    keys = (await source.load()).keys
    discovered = loaded.config.given("discovery")
    asked = [request.path for request in fetching.issuer.requests()]
    assert asked[-2 if discovered else -1 :] == [*published.documents][0 if discovered else -1 :]

    signing = [key for key in published.keys if key["use"] == "sig"]
    assert keys is not None
    assert [(key.key_id, key.issuer) for key in keys.keys] == [(key["kid"], key.get("issuer")) for key in signing]
    assert (len(keys.skipped), keys.unfit) == (len(published.keys) - len(signing), ())

    snapshot = prepare(configured).snapshot
    snapshot = snapshot.with_issuer(replace(snapshot.issuers[0], key_set=keys))
    token = next(token for token in its_tests(name).TOKENS if token.answer == "200")
    for key in signing:
        algorithm = key.get("alg", "RS256")
        for signed_by, answer in ((key["kid"], "200"), ("stranger", "401 bad_signature")):
            private = signing_key(signed_by, algorithm).private
            claims, header = {**token.claims, **published.claims}, {**token.header, "kid": key["kid"]}
            sent = replace(token, claims=claims, header=header, algorithm=algorithm)
            decision = Provider(name).decide_under(snapshot, sent, private)
            assert decision.answer == answer, decision.detail


def test_the_longest_key_set_has_40_keys_and_none_has_too_many() -> None:
    longest = max((published for _, published in ROWS), key=lambda published: len(published.keys))
    assert len(longest.keys) == 40
    assert size_bytes(longest) > 64 * 1024
    assert len(longest.keys) <= MAX_KEYS


@pytest.mark.parametrize(
    "content_type",
    ["application/jwk-set+json", "text/plain; charset=utf-8", "text/html", "application/octet-stream", "nonsense"],
)
def test_the_content_type_of_a_document_does_not_count(content_type: str, fetching: Fetching) -> None:
    (published,) = its_tests("zitadel").PUBLISHED
    ended = fetching.check("zitadel", replace(published, content_type=content_type))
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(("name", "published"), ROWS, ids=str)
def test_check_fetches_the_keys_with_the_configuration_of_its_page(
    name: str, published: Published, fetching: Fetching
) -> None:
    ended = fetching.check(name, published)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "is valid" in ended.stdout.splitlines()[0]
    assert re.search(r": \d+ keys? from https://", ended.stdout)


@pytest.mark.parametrize(("name", "published", "wrong"), WRONG, ids=str)
def test_a_wrong_value_fails_and_the_message_names_the_address_and_the_cause(
    name: str, published: Published, wrong: Wrong, fetching: Fetching
) -> None:
    ended = fetching.check(name, published, wrong.settings)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "1 of 1 fetch failed" in ended.stdout.splitlines()[0]
    (line,) = (line for line in ended.stdout.splitlines() if "its keys cannot be loaded" in line)
    assert wrong.message in line
    assert f"docs/issuers/{name}.md says where to copy its settings from" in ended.stdout
