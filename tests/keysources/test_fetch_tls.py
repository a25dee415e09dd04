"""A GET over real TLS: which certificates are trusted."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from authgate.authorities import MAX_CA_FILE_BYTES
from tests.support.certificates import Authority
from tests.support.fetching import NAME, Names, answering, failure, fetcher, named
from tests.support.issuer import Issuer, running_issuer

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_certificate_of_an_unknown_authority_is_refused_with_a_hint_at_ca_file(
    tls_issuer: Issuer,
) -> None:
    message = await failure(fetcher(), tls_issuer.jwks_url)
    assert "its certificate is not trusted (unable to get local issuer certificate)" in message
    assert "ca_file" in message
    assert tls_issuer.requests() == []


async def test_with_ca_file_the_private_authority_is_trusted(tls_issuer: Issuer, ca_file: str) -> None:
    assert (await fetcher(ca_file=ca_file, allow_http=False).get(tls_issuer.jwks_url)).body


async def test_a_ca_file_may_have_text_in_any_encoding_between_the_certificates(
    tls_issuer: Issuer, authority: Authority, tmp_path: Path
) -> None:
    content = "# Autorité privée\n".encode() + authority.pem + "# Zürich\n".encode("latin-1") + Authority().pem
    (tmp_path / "bundle.pem").write_bytes(content)
    assert (await fetcher(ca_file=str(tmp_path / "bundle.pem")).get(tls_issuer.jwks_url)).body


async def test_with_ca_file_no_other_authority_is_trusted(tls_issuer: Issuer, tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_bytes(Authority().pem)
    assert "is not trusted" in await failure(fetcher(ca_file=str(tmp_path / "other.pem")), tls_issuer.jwks_url)


async def test_a_replaced_ca_file_is_used_at_the_next_fetch(
    tls_issuer: Issuer, authority: Authority, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(Authority().pem)
    fetching = fetcher(ca_file=str(path))
    await failure(fetching, tls_issuer.jwks_url)
    path.write_bytes(authority.pem)
    assert (await fetching.get(tls_issuer.jwks_url)).body


async def test_a_certificate_for_another_name_is_refused(tls_issuer: Issuer, ca_file: str, names: Names) -> None:
    names.addresses["other.example"] = ["127.0.0.1"]
    message = await failure(fetcher(ca_file=ca_file), named(tls_issuer, "other.example"))
    assert "Hostname mismatch, certificate is not valid for 'other.example'" in message
    assert "ca_file" not in message
    assert tls_issuer.requests() == []
    names.addresses[NAME] = ["127.0.0.1"]
    assert (await fetcher(ca_file=ca_file).get(named(tls_issuer))).body


async def test_a_server_that_never_ends_its_side_of_tls_does_not_hold_the_connection(
    authority: Authority, ca_file: str, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder = authority.issue("127.0.0.1").write(tmp_path)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    has_answer = threading.Event()

    def serve() -> None:
        connection = context.wrap_socket(listener.accept()[0], server_side=True)
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        assert has_answer.wait(60)
        with socket.socket(fileno=connection.detach()) as below_tls, suppress(ConnectionError):
            below_tls.settimeout(20)
            while below_tls.recv(65536):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(serve))  # raises TimeoutError if the connection stays open
            assert (await fetcher(ca_file=ca_file).get(f"https://127.0.0.1:{port}/jwks")).body == b"{}"
            has_answer.set()


async def test_an_expired_certificate_is_refused(authority: Authority, ca_file: str, tmp_path: Path) -> None:
    expired = authority.issue("127.0.0.1", days=(-2, -1))
    with running_issuer(tmp_path, tls=expired) as issuer:
        message = await failure(fetcher(ca_file=ca_file), issuer.jwks_url)
    assert "its certificate is not trusted (certificate has expired)" in message


async def test_a_server_that_does_not_speak_tls_is_reported() -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (url, _):
        message = await failure(fetcher(), url.replace("http:", "https:"))
    assert "127.0.0.1 does not speak TLS on port" in message


def missing(path: Path) -> str:
    return f"ca_file: cannot read {path}: No such file or directory"


def empty(path: Path) -> str:
    path.touch()
    return f"ca_file: {path} holds no certificate in PEM, or a broken one"


def no_pem(path: Path) -> str:
    path.write_bytes(b"\x30\x82\xff not PEM")
    return f"ca_file: {path} holds no certificate in PEM, or a broken one"


def broken_pem(path: Path) -> str:
    path.write_bytes(Authority().pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return f"ca_file: {path} holds no certificate in PEM, or a broken one"


def a_fifo(path: Path) -> str:
    os.mkfifo(path)
    return f"ca_file: cannot read {path}: it is not a regular file"


def a_directory(path: Path) -> str:
    path.mkdir()
    return f"ca_file: cannot read {path}: Is a directory"


def too_long(path: Path) -> str:
    path.write_bytes(b" " * (MAX_CA_FILE_BYTES + 1))
    return f"ca_file: cannot read {path}: it is longer than 1048576 bytes"


@pytest.mark.parametrize("spoil", [missing, empty, no_pem, broken_pem, a_fifo, a_directory, too_long])
async def test_with_an_unusable_ca_file_no_certificate_is_trusted(
    tls_issuer: Issuer, tmp_path: Path, spoil: Any
) -> None:
    path = tmp_path / "ca.pem"
    message = spoil(path)
    assert await failure(fetcher(ca_file=str(path)), tls_issuer.jwks_url) == message
    assert tls_issuer.connections() == 0
