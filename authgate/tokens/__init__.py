"""Token formats: pure verification of what clients send. Only this package imports `jwt` and `cryptography`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.tokens._memo import ProofMemo
from authgate.tokens.jwt import JwtFormat

if TYPE_CHECKING:
    from authgate.core.snapshot import TokenFormat

# A new format: one file here and one row. The order is the order in which shapes are tried.
FORMATS: dict[str, TokenFormat] = {"jwt": JwtFormat()}

__all__ = ["FORMATS", "ProofMemo"]
