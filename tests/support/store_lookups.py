"""Stores asked as `CachedSessions` asks them, and what each failure keeps to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.lookups import FindSession
from authgate.sessions import StoreFailed
from tests.support.get_session import signed
from tests.support.postgres import READER_PASSWORD

if TYPE_CHECKING:
    from authgate.sessions import SessionStore, StoredRows

# What a store holds of the session "ada-1".
ANSWER: dict[str, Any] = {"session": {"token": "ada-1", "userId": "ada"}, "user": {"id": "ada"}}


def asked(token: str = "ada-1", signed_token: str | None = None, *, client_ip: str = "") -> FindSession:
    """Return the question for *token*, with the cookie that Better Auth signed unless another is given."""
    cookie = signed(token) if signed_token is None else signed_token
    return FindSession(issuer_name="app", token=token, signed_token=cookie, client_ip=client_ip)


async def find(store: SessionStore, token: str = "ada-1") -> StoredRows | None:
    async with asyncio.timeout(20):
        return await store.find(asked(token))


async def failed(store: SessionStore, token: str = "ada-1") -> StoreFailed:
    """Return how *store* fails: saying where, and quoting neither the token nor its password."""
    with pytest.raises(StoreFailed) as raised:
        await find(store, token)
    said = str(raised.value)
    assert said.startswith(store.where)
    assert READER_PASSWORD not in said
    assert token not in said
    return raised.value


async def failure(store: SessionStore, token: str = "ada-1") -> str:
    return str(await failed(store, token))


async def find_once(store: SessionStore, token: str = "ada-1") -> StoredRows | None:
    """Ask a store that is used no further."""
    try:
        return await find(store, token)
    finally:
        await store.close()


async def failure_once(store: SessionStore, token: str = "ada-1") -> str:
    try:
        return await failure(store, token)
    finally:
        await store.close()
