"""Secrets and key files: the content of a file is used, however it was written."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from authgate.keysources import LoadFailed
from authgate.keysources.local import KEY_FILES, FileSource, SecretSource
from authgate.tokens import jwk
from authgate.tokens.algorithms import ALL_ALGORITHMS
from tests.support.tokens import OTHER_SECRET, SECRET, public_jwk, public_pem

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.core.keys import KeySet

HS256 = frozenset({"HS256"})


def jwks(*key_ids: str, algorithm: str = "ES256") -> bytes:
    return json.dumps({"keys": [public_jwk(algorithm, key_id) for key_id in key_ids]}).encode()


class Parse:
    """`jwk.from_jwks` that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, content: bytes, allowed: frozenset[str]) -> KeySet:
        self.calls += 1
        return jwk.from_jwks(content, allowed)


@pytest.fixture
def parse() -> Parse:
    return Parse()


@pytest.fixture
def source(tmp_path: Path, parse: Parse) -> FileSource:
    (tmp_path / "jwks.json").write_bytes(jwks("K1"))
    return FileSource(tmp_path / "jwks.json", parse, ALL_ALGORITHMS)


async def key_ids(source: FileSource) -> list[str | None] | None:
    """Return the key ids of the loaded set, None if it is unchanged."""
    loaded = await source.load()
    assert loaded.fresh_seconds is None
    return None if loaded.keys is None else [key.key_id for key in loaded.keys.keys]


async def failure(source: FileSource) -> str:
    with pytest.raises(LoadFailed) as failed:
        await source.load()
    return str(failed.value)


def in_place(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def by_rename(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


def removed_and_written(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def with_the_old_times(path: Path, content: bytes) -> None:
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("replace", [in_place, by_rename, removed_and_written, with_the_old_times])
async def test_new_content_is_loaded_however_the_file_is_replaced(
    source: FileSource, tmp_path: Path, replace: Any
) -> None:
    assert await key_ids(source) == ["K1"]
    replace(tmp_path / "jwks.json", jwks("K2"))
    assert await key_ids(source) == ["K2"]
    assert await key_ids(source) is None


async def test_new_content_is_loaded_when_kubernetes_replaces_a_link(tmp_path: Path, parse: Parse) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "jwks.json").write_bytes(jwks(name))
    (tmp_path / "..data").symlink_to("first")
    (tmp_path / "jwks.json").symlink_to("..data/jwks.json")
    source = FileSource(tmp_path / "jwks.json", parse, ALL_ALGORITHMS)
    assert await key_ids(source) == ["first"]
    (tmp_path / "..new").symlink_to("second")
    (tmp_path / "..new").replace(tmp_path / "..data")
    assert await key_ids(source) == ["second"]


async def test_unchanged_content_is_not_parsed_again(source: FileSource, tmp_path: Path, parse: Parse) -> None:
    assert [key.key_id for key in source.read().keys] == ["K1"]
    for _ in range(3):
        by_rename(tmp_path / "jwks.json", jwks("K1"))
        assert await key_ids(source) is None
    assert parse.calls == 1


def missing(path: Path) -> str:
    path.unlink()
    return "No such file or directory"


def a_directory(path: Path) -> str:
    path.unlink()
    path.mkdir()
    return "Is a directory"


def a_fifo(path: Path) -> str:
    path.unlink()
    os.mkfifo(path)
    return "it is not a regular file"


def too_long(path: Path) -> str:
    path.write_bytes(jwks("K2") + b" " * 256 * 1024)
    return "it is longer than 262144 bytes"


def unreadable(path: Path) -> str:
    path.unlink()
    path.symlink_to("/proc/self/mem")  # it opens, but reading fails, even for root
    return "Input/output error"


@pytest.mark.parametrize(
    "spoil",
    [
        missing,
        a_directory,
        a_fifo,
        too_long,
        unreadable,
    ],
)
async def test_an_unreadable_file_is_named_and_used_again_once_it_is_readable(
    source: FileSource, tmp_path: Path, spoil: Any
) -> None:
    path = tmp_path / "jwks.json"
    assert await key_ids(source) == ["K1"]
    cause = spoil(path)
    assert await failure(source) == f"cannot read {path}: {cause}"
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_bytes(jwks("K1"))
    assert await key_ids(source) is None
    path.write_bytes(jwks("K2"))
    assert await key_ids(source) == ["K2"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"keys": []}', jwks("K1")[:-1]], ids=["empty", "no JSON", "no key", "cut off"]
)
async def test_a_file_without_keys_is_named_and_used_again_once_it_has_some(
    source: FileSource, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "jwks.json"
    assert await key_ids(source) == ["K1"]
    path.write_bytes(content)
    for _ in range(2):  # bad content is never "unchanged"
        assert (await failure(source)).startswith(f"{path}: it ")
    path.write_bytes(jwks("K2"))
    assert await key_ids(source) == ["K2"]


async def test_a_file_that_hangs_fails_the_load_in_time_and_occupies_one_thread(tmp_path: Path) -> None:
    go_on, readers = threading.Event(), 0

    def hanging(content: bytes, allowed: frozenset[str]) -> KeySet:
        nonlocal readers
        readers += 1
        go_on.wait(60)
        return jwk.from_jwks(content, allowed)

    path = tmp_path / "jwks.json"
    path.write_bytes(jwks("K1"))
    source = FileSource(path, hanging, ALL_ALGORITHMS, timeout_seconds=0.01)
    try:
        for _ in range(3):
            message = await failure(source)
            assert str(path) in message
            assert "takes longer than 0.01 s" in message
    finally:
        go_on.set()
    async with asyncio.timeout(60):
        while True:
            try:
                assert await key_ids(source) == ["K1"]
                break
            except LoadFailed:
                continue
    assert readers == 1


@pytest.mark.parametrize(
    ("kind", "content", "allowed", "algorithm"),
    [
        ("secret_file", SECRET + b"\n", HS256, "HS256"),
        ("pem_file", public_pem("RS256"), frozenset({"RS256"}), "RS256"),
        ("jwks_file", jwks("K1"), ALL_ALGORITHMS, "ES256"),
    ],
    ids=["secret_file", "pem_file", "jwks_file"],
)
async def test_each_kind_of_file_is_read(
    tmp_path: Path, kind: str, content: bytes, allowed: frozenset[str], algorithm: str
) -> None:
    (tmp_path / "file").write_bytes(content)
    source = FileSource(tmp_path / "file", KEY_FILES[kind], allowed)
    assert source.where == str(tmp_path / "file")
    loaded = await source.load()
    assert loaded.keys is not None
    assert [key.algorithm for key in loaded.keys.keys] == [algorithm]


async def test_a_secret_in_the_configuration_is_loaded_once() -> None:
    source = SecretSource(partial(jwk.from_secret, SECRET, HS256), "JWT_SECRET")
    assert source.where == "JWT_SECRET"
    assert source.read() == jwk.from_secret(SECRET, HS256) != jwk.from_secret(OTHER_SECRET, HS256)
    assert (await source.load()).keys is None


def test_a_weak_secret_is_refused() -> None:
    with pytest.raises(jwk.BadKey):
        SecretSource(partial(jwk.from_secret, b"short", HS256)).read()
