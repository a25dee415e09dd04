"""One GET over real TLS: whose certificate is trusted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from authgate.authorities import MAX_CA_FILE_BYTES
from tests.support.certificates import Authority
from tests.support.fetching import NAME, Names, answering, failure, fetcher, named
from tests.support.issuer import Issuer, running_issuer

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_certificate_of_an_unknown_authority_is_refused_and_ca_file_named(over_tls: Issuer) -> None:
    said = await failure(fetcher(), over_tls.jwks_url)
    assert "its certificate is not trusted (unable to get local issuer certificate)" in said
    assert said.endswith("for a private authority set ca_file")
    assert over_tls.requests() == []


async def test_with_ca_file_the_private_authority_is_trusted(over_tls: Issuer, ca_file: str) -> None:
    assert (await fetcher(ca_file=ca_file, allow_http=False).get(over_tls.jwks_url)).body


async def test_text_in_any_language_may_stand_between_the_certificates(
    over_tls: Issuer, authority: Authority, tmp_path: Path
) -> None:
    content = "# Autorité privée\n".encode() + authority.pem + "# Zürich\n".encode("latin-1") + Authority().pem
    (tmp_path / "bundle.pem").write_bytes(content)
    assert (await fetcher(ca_file=str(tmp_path / "bundle.pem")).get(over_tls.jwks_url)).body


async def test_with_ca_file_no_other_authority_is_trusted(over_tls: Issuer, tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_bytes(Authority().pem)
    assert "is not trusted" in await failure(fetcher(ca_file=str(tmp_path / "other.pem")), over_tls.jwks_url)


async def test_a_ca_file_that_is_replaced_counts_at_the_next_fetch(
    over_tls: Issuer, authority: Authority, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(Authority().pem)
    fetching = fetcher(ca_file=str(path))
    await failure(fetching, over_tls.jwks_url)
    path.write_bytes(authority.pem)
    assert (await fetching.get(over_tls.jwks_url)).body


async def test_a_certificate_for_another_name_is_refused(over_tls: Issuer, ca_file: str, names: Names) -> None:
    names.addresses["other.example"] = ["127.0.0.1"]
    said = await failure(fetcher(ca_file=ca_file), named(over_tls, "other.example"))
    assert "Hostname mismatch, certificate is not valid for 'other.example'" in said
    assert "ca_file" not in said
    assert over_tls.requests() == []
    names.addresses[NAME] = ["127.0.0.1"]
    assert (await fetcher(ca_file=ca_file).get(named(over_tls))).body


async def test_an_expired_certificate_is_refused(authority: Authority, ca_file: str, tmp_path: Path) -> None:
    expired = authority.issue("127.0.0.1", days=(-2, -1))
    with running_issuer(tmp_path, tls=expired) as one:
        said = await failure(fetcher(ca_file=ca_file), one.jwks_url)
    assert "its certificate is not trusted (certificate has expired)" in said


async def test_plain_http_at_an_https_address_is_told() -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (url, _):
        said = await failure(fetcher(), url.replace("http:", "https:"))
    assert "127.0.0.1 does not speak TLS on port" in said


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
async def test_a_ca_file_of_no_use_is_told_and_nobody_is_trusted_for_it(
    over_tls: Issuer, tmp_path: Path, spoil: Any
) -> None:
    path = tmp_path / "spoilt.pem"
    why = spoil(path)
    assert await failure(fetcher(ca_file=str(path)), over_tls.jwks_url) == why
    assert over_tls.connections() == 0
