"""A proof as the proof cache keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authgate.core.proof import Proof


class Remembered:
    """What a credential proved under the issuer with this *fingerprint*.

    *size* (in bytes) and *until* belong to the cache.
    """

    __slots__ = ("fingerprint", "proof", "size", "until")

    def __init__(self, proof: Proof, fingerprint: bytes, size: int, until: float) -> None:
        self.proof = proof
        self.fingerprint = fingerprint
        self.size = size
        self.until = until
