"""The table of reasons."""

from __future__ import annotations

import re

import pytest

from authgate.core.reasons import REASONS, Fault, Reason


def test_every_reason_has_exactly_one_row() -> None:
    assert set(REASONS) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_the_status_fits_the_fault(reason: Reason) -> None:
    refusal = REASONS[reason]
    expected = {Fault.OURS: {503}, Fault.OPERATOR: {400, 403}, Fault.CLIENT: {400, 401, 403}}[refusal.fault]
    assert refusal.status in expected


@pytest.mark.parametrize("reason", Reason)
def test_only_a_challenge_carries_an_oauth_error(reason: Reason) -> None:
    refusal = REASONS[reason]
    if reason.value.startswith("insufficient_"):
        assert refusal.oauth_error == reason.value  # RFC 6750 §3.1, RFC 9470 §3
    elif refusal.status != 401:
        assert refusal.oauth_error is None
    elif reason is Reason.NO_CREDENTIAL:
        assert refusal.oauth_error is None  # RFC 6750 §3.1: no error code if no credential was sent
    else:
        assert refusal.oauth_error in {"invalid_token", "invalid_request"}


@pytest.mark.parametrize("reason", Reason)
def test_the_text_fits_into_a_quoted_string_and_the_code_into_a_label(reason: Reason) -> None:
    assert re.fullmatch(r"[ -!#-\[\]-~]+\.", REASONS[reason].text)  # RFC 6750 §3: no quote, no backslash
    assert re.fullmatch(r"[a-z_]+", reason.value)
    assert REASONS[reason].fix.endswith(".")


def test_an_outage_never_looks_as_if_the_user_were_signed_out() -> None:
    ours = [reason for reason, refusal in REASONS.items() if refusal.fault is Fault.OURS]
    assert {Reason.KEYS_UNAVAILABLE, Reason.INTERNAL_ERROR} <= set(ours)
    assert {REASONS[reason].status for reason in ours} == {503}
