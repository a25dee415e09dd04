"""The evaluation of one request: what its decision depends on, and what is known so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.core.decision import Check
from authgate.core.transcript import Transcript

if TYPE_CHECKING:
    from authgate.core.attempts import Attempts
    from authgate.core.cached_proof import CachedProof
    from authgate.core.errors import Refused
    from authgate.core.identity import Identity
    from authgate.core.paths import Path
    from authgate.core.policy import Policy
    from authgate.core.request import Request
    from authgate.core.snapshot import Issuer, Snapshot


class Evaluation:
    """The evaluation of one request. The functions of `decide` and of `identification` read it and write to it.

    *check_name* is the check in progress; *checks* has those that ended. *policy* is the one that matches, and *paths*
    are the readings of the path. *issuer_name* is "" until an issuer is chosen.

    *digest* and *cached* belong to the credential in progress: its digest, and its issuer and proof if the proof is
    cached. *recalled* is the identity that this cached proof has by itself, if it is valid now.
    """

    __slots__ = (
        "attempts",
        "cached",
        "check_name",
        "checks",
        "digest",
        "identity_source",
        "issuer_name",
        "now",
        "paths",
        "policy",
        "recalled",
        "request",
        "snapshot",
    )

    def __init__(self, request: Request, snapshot: Snapshot, now: float) -> None:
        self.request = request
        self.snapshot = snapshot
        self.now = now
        self.policy: Policy | None = None
        self.paths: tuple[Path, ...] = ()
        self.checks = Transcript()
        self.check_name = self.issuer_name = self.identity_source = ""
        self.digest = b""
        self.cached: tuple[Issuer, CachedProof] | None = None
        self.recalled: Identity | None = None
        self.attempts: Attempts | None = None  # those that several credentials share

    def record_failure(self, refused: Refused) -> None:
        """Record that the check in progress failed, although the request goes on."""
        self.checks.add(Check(self.check_name, passed=False, detail=f"{refused.reason}: {refused.detail}"))
