"""Sessions over HTTPS: which certificates are trusted, and the messages for those that are not."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from authgate.sessions.http import HttpStore
from tests.support.certificates import Authority
from tests.support.get_session import COOKIE, get_session
from tests.support.store_lookups import ANSWER, failure, find

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.get_session import GetSession


def context(authority: Authority, folder: Path, name: str = "127.0.0.1") -> ssl.SSLContext:
    authority.issue(name).write(folder)
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return made


async def test_only_the_cas_in_ca_file_are_trusted_and_the_file_is_read_again_after_a_failure(tmp_path: Path) -> None:
    authority, ca_file = Authority(), tmp_path / "ca.pem"
    ca_file.write_bytes(Authority().pem)
    async with get_session(context(authority, tmp_path)) as server:
        server.sessions["ada-1"] = ANSWER
        store = HttpStore(server.url, COOKIE, ca_file=str(ca_file))
        assert "its certificate is not trusted" in await failure(store)
        ca_file.write_bytes(authority.pem)
        assert await find(store)
        await store.close()
        untrusting = HttpStore(server.url, COOKIE)
        assert (await failure(untrusting)).endswith("for a private authority set ca_file")
        await untrusting.close()
        assert len(server.requests) == 1


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    authority, ca_file = Authority(), tmp_path / "ca.pem"
    ca_file.write_bytes(authority.pem)
    async with get_session(context(authority, tmp_path, "other.example")) as server:
        store = HttpStore(server.url, COOKIE, ca_file=str(ca_file))
        assert "certificate is not valid for '127.0.0.1'" in await failure(store)
        await store.close()


async def test_a_ca_file_that_cannot_be_read_is_a_failure(server: GetSession, tmp_path: Path) -> None:
    store = HttpStore(server.url.replace("http:", "https:"), COOKIE, ca_file=str(tmp_path / "none"))
    assert f"ca_file: cannot read {tmp_path / 'none'}" in await failure(store)
    await store.close()


async def test_an_unknown_host_name_is_a_failure() -> None:
    store = HttpStore("http://better-auth.invalid/api/auth/get-session", COOKIE)
    assert "the host name better-auth.invalid cannot be resolved" in await failure(store)
    await store.close()


async def test_a_server_that_does_not_speak_tls_is_a_failure(server: GetSession) -> None:
    store = HttpStore(server.url.replace("http://", "https://"), COOKIE)
    assert (await failure(store)).endswith("does its URL begin with http://?")
    await store.close()
