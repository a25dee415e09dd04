"""An entry of the proof cache: a proof, and the header lines of replies about its identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authgate.core.header_lines import HeaderLines
    from authgate.core.outputs import Output
    from authgate.core.proof import Proof


class CachedProof:
    """What a credential proved under the issuer with this *fingerprint*.

    *lines* are the header lines of the identity in *proof* for *outputs*, and *other_lines* those for *other_outputs*.
    The tuples are compared with `is`. Policies with equal outputs share one tuple, and a reload makes new ones. So no
    lines of an old configuration are used. Lines prove nothing: times, rules and sessions are checked before they are
    sent.

    *size* (in bytes) and *until* belong to the cache. Only `ProofCache.cache_lines` changes an entry.
    """

    __slots__ = ("fingerprint", "lines", "other_lines", "other_outputs", "outputs", "proof", "size", "until")

    def __init__(self, proof: Proof, fingerprint: bytes, size: int, until: float) -> None:
        self.proof = proof
        self.fingerprint = fingerprint
        self.size = size
        self.until = until
        self.outputs: tuple[Output, ...] | None = None
        self.lines: HeaderLines | None = None
        self.other_outputs: tuple[Output, ...] | None = None
        self.other_lines: HeaderLines | None = None

    def lines_for(self, outputs: tuple[Output, ...]) -> HeaderLines | None:
        """Return the header lines for exactly this tuple *outputs*, None if they are not cached."""
        if self.outputs is outputs:
            return self.lines
        return self.other_lines if self.other_outputs is outputs else None
