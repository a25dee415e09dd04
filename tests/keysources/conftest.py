"""A clock, an issuer for each module, and the names that its host has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.certificates import Authority
from tests.support.fetching import NAME, PROXY_VARIABLES, Names
from tests.support.issuer import Issuer, running_issuer
from tests.support.manual_time import Time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture(autouse=True)
def _no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def issuer_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    with running_issuer(tmp_path_factory.mktemp("issuer")) as running:
        yield running


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def tls_issuer_process(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Issuer]:
    with running_issuer(tmp_path_factory.mktemp("issuer"), tls=authority.issue("127.0.0.1", NAME)) as running:
        yield running


def restored(issuer: Issuer) -> Issuer:
    """Undo what an earlier test changed about *issuer*."""
    issuer.reopen()
    issuer.answer("ok")
    issuer.headers({})
    issuer.etag(None)
    issuer.publish("K1")
    issuer.discovery()
    for path in (issuer.openid_path, issuer.oauth_path):
        issuer.answer("ok", on=path)
    issuer.forget()
    return issuer


@pytest.fixture
def issuer(issuer_process: Issuer) -> Issuer:
    return restored(issuer_process)


@pytest.fixture
def tls_issuer(tls_issuer_process: Issuer) -> Issuer:
    return restored(tls_issuer_process)


@pytest.fixture
def ca_file(tmp_path: Path, authority: Authority) -> str:
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    return str(tmp_path / "ca.pem")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)
