"""Lookups in one store, as `CachedSessions` makes them, and what holds for every failure."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.lookups import FindSession
from authgate.sessions import StoreFailed
from tests.support.get_session import signed
from tests.support.postgres import READER_PASSWORD
from tests.support.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from authgate.sessions import SessionStore, StoredRows

# The session "ada-1" in a store.
ANSWER: dict[str, Any] = {"session": {"token": "ada-1", "userId": "ada"}, "user": {"id": "ada"}}


def question(
    token: str = "ada-1", signed_token: str | None = None, *, was_signed: bool = True, client_ip: str = ""
) -> FindSession:
    """Return the question for *token*, by default with the cookie that Better Auth signed."""
    cookie = signed(token) if signed_token is None else signed_token
    return FindSession(issuer_name="app", token=token, signed_token=cookie, was_signed=was_signed, client_ip=client_ip)


async def find(store: SessionStore, token: str = "ada-1") -> StoredRows | None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await store.find(question(token))


async def failed(store: SessionStore, token: str = "ada-1") -> StoreFailed:
    """Return the exception of *store*. It names the address, and quotes neither the token nor the password."""
    with pytest.raises(StoreFailed) as raised:
        await find(store, token)
    message = str(raised.value)
    assert message.startswith(store.where)
    assert READER_PASSWORD not in message
    assert token not in message
    return raised.value


async def failure(store: SessionStore, token: str = "ada-1") -> str:
    """Return the message of the exception of *store*."""
    return str(await failed(store, token))


async def find_once(store: SessionStore, token: str = "ada-1") -> StoredRows | None:
    """Find a session, and close *store*."""
    try:
        return await find(store, token)
    finally:
        await store.close()


async def failure_once(store: SessionStore, token: str = "ada-1") -> str:
    """Return the message of the exception, and close *store*."""
    try:
        return await failure(store, token)
    finally:
        await store.close()


@asynccontextmanager
async def closing(*stores: SessionStore) -> AsyncIterator[None]:
    """Close *stores* at the end of the context."""
    try:
        yield
    finally:
        for store in stores:
            await store.close()
