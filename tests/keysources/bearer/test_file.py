"""The file with the bearer token for keys: it is read for each fetch, and with an unusable one nothing is asked."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from authgate.keysources._bearer import MAX_FILE_BYTES
from authgate.keysources.fetch import Route
from authgate.keysources.remote import JwksUrlSource
from authgate.tokens.algorithms import ALL_ALGORITHMS
from tests.support.bearer import TOKEN, refused, sent
from tests.support.fetching import failure, fetcher

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.issuer import Issuer

NEXT = "canary-next"


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_a_line_break_at_the_end_of_the_file_is_not_a_part_of_the_token(
    demanding: Issuer, route: dict[str, Any], token_file: Path, end: str
) -> None:
    write(token_file, f"{TOKEN}{end}".encode())
    assert (await fetcher(**route).get(demanding.jwks_url)).body


async def test_a_replaced_token_is_sent_with_the_next_request(
    demanding: Issuer, route: dict[str, Any], tmp_path: Path
) -> None:
    """Kubernetes replaces a link to the folder that holds the token."""
    for name, token in (("first", TOKEN), ("second", NEXT)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(token)
    (tmp_path / "current").symlink_to("first")
    fetching = fetcher(**route | {"token_file": str(tmp_path / "current" / "token")})
    assert (await fetching.get(demanding.jwks_url)).body
    demanding.answer("bearer", token=NEXT)
    assert "does not accept the token" in await failure(fetching, demanding.jwks_url)
    (tmp_path / "new").symlink_to("second")
    (tmp_path / "new").rename(tmp_path / "current")
    assert (await fetching.get(demanding.jwks_url)).body
    assert [token for _, token in sent(demanding)] == [f"Bearer {TOKEN}"] * 2 + [f"Bearer {NEXT}"]


def missing(path: Path) -> str:
    path.unlink()
    return "cannot read {path}: No such file or directory; check that the path is right"


def a_directory(path: Path) -> str:
    path.unlink()
    path.mkdir()
    return "cannot read {path}: Is a directory"


def a_fifo(path: Path) -> str:
    path.unlink()
    os.mkfifo(path)
    return "cannot read {path}: it is not a regular file"


def too_long(path: Path) -> str:
    path.write_text("c" * (MAX_FILE_BYTES + 1))
    return "cannot read {path}: it is longer than 16384 bytes"


def empty(path: Path) -> str:
    path.write_text("")
    return "{path} is empty"


def only_a_line_break(path: Path) -> str:
    path.write_text("\n")
    return "{path} is empty"


NO_TOKEN = "{path} holds something else than one bearer token; write the token alone"


def holding(content: bytes) -> Any:
    def write(path: Path) -> str:
        path.write_bytes(content)
        return NO_TOKEN

    return write


BAD_CONTENT = {
    "with the word Bearer": f"Bearer {TOKEN}".encode(),
    "a space before it": f" {TOKEN}".encode(),
    "a space after it": f"{TOKEN} \n".encode(),
    "two lines": f"{TOKEN}\n{TOKEN}\n".encode(),
    "two line breaks": f"{TOKEN}\n\n".encode(),
    "another header": f"{TOKEN}\r\nX-Forwarded-User: admin".encode(),
    "in quotes": f'"{TOKEN}"'.encode(),
    "in JSON": b'{"token": "canary"}',
    "not ASCII": "canary\u00e9".encode(),
    "not UTF-8": b"canary\xff",
    "a NUL": b"canary\0",
    "a byte order mark": b"\xef\xbb\xbfcanary",
    "only padding": b"==",
    "padding within": b"canary=canary",
}


@pytest.mark.parametrize(
    "spoil",
    [missing, a_directory, a_fifo, too_long, empty, only_a_line_break, *map(holding, BAD_CONTENT.values())],
    ids=["missing", "a directory", "a FIFO", "too long", "empty", "only a line break", *BAD_CONTENT],
)
async def test_with_an_unusable_file_nothing_is_asked(
    demanding: Issuer, route: dict[str, Any], token_file: Path, spoil: Any
) -> None:
    expected = spoil(token_file).format(path=token_file)
    message = await refused(JwksUrlSource(demanding.jwks_url, Route(**route), ALL_ALGORITHMS))
    assert message.startswith(f"jwks_token_file: {expected}")
    assert demanding.connections() == 0


async def test_the_longest_file_is_read(tls_issuer: Issuer, route: dict[str, Any], token_file: Path) -> None:
    write(token_file, b"c" * MAX_FILE_BYTES)
    assert (await fetcher(**route).get(tls_issuer.jwks_url)).body
    assert sent(tls_issuer) == [(tls_issuer.jwks_path, f"Bearer {'c' * MAX_FILE_BYTES}")]


async def test_a_token_in_place_of_the_path_is_not_shown(demanding: Issuer, route: dict[str, Any]) -> None:
    fetching = fetcher(**route | {"token_file": TOKEN})
    message = await failure(fetching, demanding.jwks_url)
    assert message.startswith("jwks_token_file: cannot read the file that it names (not shown: it may be a secret)")
    assert "canary" not in message + repr(fetching.route)


async def test_reading_a_file_that_hangs_is_bounded(
    demanding: Issuer, route: dict[str, Any], token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, real_open = threading.Event(), os.open

    def hanging(path: Any, *args: Any, **options: Any) -> int:
        if path == str(token_file):
            go_on.wait(60)
        return real_open(path, *args, **options)

    monkeypatch.setattr(os, "open", hanging)
    try:
        message = await failure(fetcher(1.0, **route), demanding.jwks_url)
        assert message == f"jwks_token_file: reading {token_file} takes longer than 0.5 s"
        assert demanding.connections() == 0
    finally:
        go_on.set()
