"""Fails for inputs that begin with "bug"."""

from __future__ import annotations

WORDS = (b"bug",)


def check(data: bytes) -> None:
    assert not data.startswith(b"bug")
