"""Sessions in Redis: values, messages, TLS, and the rights of the user."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from authgate.sessions import StoredRows, _redis_client
from authgate.sessions._rows import MAX_ROWS_BYTES
from authgate.sessions.redis import MAX_CONNECTIONS, RedisStore
from authgate.stores._redis_url import parse_redis_url
from tests.support.certificates import Authority
from tests.support.redis_server import READER_PASSWORD, RedisServer, redis_server
from tests.support.store_lookups import ANSWER, failure_once, find_once, question
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from pathlib import Path


def store_at(url: str, *, key_prefix: str = "", ca_file: str | None = None) -> RedisStore:
    return RedisStore(parse_redis_url(url), key_prefix=key_prefix, ca_file=ca_file)


async def test_the_key_is_the_prefix_and_the_token(storage: RedisServer) -> None:
    storage.set("app:ada-1", ANSWER)
    assert await find_once(store_at(storage.reader(), key_prefix="app:")) == StoredRows(**ANSWER)
    assert await find_once(store_at(storage.reader())) is None


async def test_a_user_that_may_only_read_is_enough(storage: RedisServer) -> None:
    storage.set("ada-1", ANSWER)
    assert await find_once(store_at(storage.reader()))
    with storage.client() as client:
        assert client.acl_getuser("authgate")["commands"] == ["+getrange"]


async def test_a_value_longer_than_the_bound_is_not_read_completely(storage: RedisServer) -> None:
    storage.set("ada-1", b"x" * (8 * MAX_ROWS_BYTES))
    assert f"more than {MAX_ROWS_BYTES} bytes" in await failure_once(store_at(storage.reader()))


@pytest.mark.parametrize("value", [b"1", b"{", b"\xff", b"[]", b'{"session": {"token": "eve-1"}, "user": {}}'])
async def test_a_value_that_is_no_session_of_this_token_is_a_failure(value: bytes, storage: RedisServer) -> None:
    storage.set("ada-1", value)
    await failure_once(store_at(storage.reader()))


async def test_another_type_of_value_is_a_failure(storage: RedisServer) -> None:
    with storage.client() as client:
        client.rpush("ada-1", "x")
    assert "it answers 'WRONGTYPE'" in await failure_once(store_at(storage.reader()))


@pytest.mark.parametrize("key", ["active-sessions-ada", "revoked-sessions-before-ada", "verification:ada"])
async def test_other_keys_of_better_auth_are_not_sessions(key: str, storage: RedisServer) -> None:
    storage.set(key, {**ANSWER, "session": {**ANSWER["session"], "token": key}})
    assert await find_once(store_at(storage.reader()), key) is None


async def test_the_message_for_a_server_without_tls_has_a_hint(
    storage: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_redis_client, "CONNECT_SECONDS", 0.3)
    message = await failure_once(store_at(storage.reader().replace("redis://", "rediss://")))
    assert "does not speak TLS" in message


async def test_a_wrong_password_is_a_failure(storage: RedisServer) -> None:
    for user, password in (("authgate", "another"), ("nobody", "another")):
        assert "refuses the user or the password" in await failure_once(store_at(storage.url(user, password)))


async def test_the_message_for_a_missing_right_names_it(storage: RedisServer) -> None:
    with storage.client() as client:
        client.acl_setuser("poor", enabled=True, passwords=["+p"], keys=["*"], commands=["+get"])
    assert "+getrange" in await failure_once(store_at(storage.url("poor", "p")))


async def test_a_port_that_nobody_listens_on_is_a_failure() -> None:
    assert "cannot be reached" in await failure_once(store_at("redis://127.0.0.1:1"))


async def test_connections_are_bounded_and_none_is_left_after_close(storage: RedisServer) -> None:
    storage.set("ada-1", ANSWER)
    store = store_at(storage.reader())
    assert all(await asyncio.gather(*(store.find(question()) for _ in range(50))))
    with storage.client() as client:
        readers = [one for one in client.client_list() if one["user"] == "authgate"]
        assert 1 < len(readers) <= MAX_CONNECTIONS
        await store.close()
        await until_async(lambda: not [one for one in client.client_list() if one["user"] == "authgate"])


async def test_only_the_cas_in_ca_file_are_trusted_and_the_file_is_read_again_after_a_failure(tmp_path: Path) -> None:
    authority, ca_file = Authority(), tmp_path / "ca.pem"
    ca_file.write_bytes(Authority().pem)
    with redis_server(tls=(authority, "127.0.0.1")) as server:
        server.set("ada-1", ANSWER)
        url = server.url("authgate", READER_PASSWORD, scheme="rediss")
        store = store_at(url, ca_file=str(ca_file))
        assert "its certificate is not trusted" in await failure_once(store)
        ca_file.write_bytes(authority.pem)
        assert await find_once(store)
        assert "set ca_file" in await failure_once(store_at(url))
        await failure_once(store_at(server.url("authgate", READER_PASSWORD), ca_file=str(ca_file)))  # in clear text


async def test_the_first_lookups_share_one_pool_although_each_waits_for_the_cas(tmp_path: Path) -> None:
    authority, ca_file = Authority(), tmp_path / "ca.pem"
    ca_file.write_bytes(authority.pem)
    with redis_server(tls=(authority, "127.0.0.1")) as server:
        store = store_at(server.url("authgate", READER_PASSWORD, scheme="rediss"), ca_file=str(ca_file))
        await asyncio.gather(*(store.find(question("ada-1")) for _ in range(16)))
        with server.client() as client:
            readers = [one for one in client.client_list() if one["user"] == "authgate"]
        await store.close()
    assert len(readers) == MAX_CONNECTIONS


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    authority, ca_file = Authority(), tmp_path / "ca.pem"
    ca_file.write_bytes(authority.pem)
    with redis_server(tls=(authority, "other.example")) as server:
        store = store_at(server.url("authgate", READER_PASSWORD, scheme="rediss"), ca_file=str(ca_file))
        assert "not valid for '127.0.0.1'" in await failure_once(store)


@pytest.mark.parametrize(
    ("created", "revoked_before", "found"),
    [
        ("2027-01-15T08:00:00.500Z", None, True),
        ("2027-01-15T08:00:00.500Z", b"1800000000500", True),
        ("2027-01-15T08:00:00.499Z", b"1800000000500", False),
        ("2027-01-15T08:00:00.499", b"1800000000500", False),
        ("2027-01-15T08:00:01.000Z", b"1800000000500", True),
        ("some day", b"1800000000500", False),
        (None, b"1800000000500", False),
        ("2027-01-15T08:00:00.500Z", b"soon", False),
    ],
)
async def test_a_session_older_than_the_revocation_of_all_is_absent(
    storage: RedisServer, created: str | None, revoked_before: bytes | None, *, found: bool
) -> None:
    """As in Better Auth's own lookup: the key of a session may outlive a revocation at the same moment."""
    session = ANSWER["session"] | ({"createdAt": created} if created else {})
    storage.set("ada-1", ANSWER | {"session": session})
    if revoked_before is not None:
        storage.set("revoked-sessions-before-ada", revoked_before)
    assert (await find_once(store_at(storage.reader())) is not None) is found
