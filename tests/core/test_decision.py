"""Decisions: `Allow` and `Deny`."""

from __future__ import annotations

from authgate.core.decision import Check, Deny
from authgate.core.reasons import Reason


def test_the_detail_of_a_deny_is_the_detail_of_its_last_check() -> None:
    checks = (Check("policy", passed=True, detail="default"), Check("token", passed=False, detail="it has expired"))
    assert Deny(reason=Reason.EXPIRED, checks=checks).detail == "it has expired"
    assert Deny(reason=Reason.EXPIRED).detail == ""
