"""The errors and values that lead to a refusal, or to no start at all."""

from __future__ import annotations

from authgate.core.decision import Check, Deny
from authgate.core.errors import AuthGateError, ConfigError, LookupFailed, Problem, Refused, Unreadable
from authgate.core.reasons import Reason


def test_a_configuration_error_tells_every_problem_with_its_setting_and_its_mending() -> None:
    problems = [Problem(setting=f"setting{n}", message=f"what{n}", fix=f"mend{n}") for n in (1, 2)]
    error = ConfigError(problems)
    assert error.problems == tuple(problems)
    assert str(error) == "setting1: what1\n    → mend1\nsetting2: what2\n    → mend2"


def test_every_error_raised_on_purpose_is_an_authgate_error() -> None:
    errors = [
        ConfigError([]),
        Refused(Reason.EXPIRED),
        Unreadable(Reason.UNREADABLE_REQUEST, "x"),
        LookupFailed(Reason.KEYS_UNAVAILABLE),
    ]
    assert all(isinstance(error, AuthGateError) for error in errors)


def test_a_refusals_own_text_is_its_reason_and_not_its_detail() -> None:
    refused = Refused(Reason.EXPIRED, "user-1 expired")
    assert (str(refused), refused.detail) == ("expired", "user-1 expired")


def test_the_detail_of_a_deny_is_that_of_its_last_check() -> None:
    checks = (Check("policy", passed=True, detail="default"), Check("token", passed=False, detail="why"))
    assert Deny(reason=Reason.EXPIRED, checks=checks).detail == "why"
    assert Deny(reason=Reason.EXPIRED).detail == ""
