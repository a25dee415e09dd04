"""The errors that end in a refusal or keep AuthGate from starting."""

from __future__ import annotations

from authgate.core.errors import AuthGateError, ConfigError, LookupFailed, Problem, Refused, Unreadable
from authgate.core.reasons import Reason


def test_a_configuration_error_shows_every_problem_with_its_setting_message_and_fix() -> None:
    problems = [Problem(setting=f"setting{n}", message=f"message{n}", fix=f"fix{n}") for n in (1, 2)]
    error = ConfigError(problems)
    assert error.problems == tuple(problems)
    assert str(error) == "setting1: message1\n    → fix1\nsetting2: message2\n    → fix2"


def test_every_error_raised_on_purpose_is_an_authgate_error() -> None:
    errors = [
        ConfigError([]),
        Refused(Reason.EXPIRED),
        Unreadable(Reason.UNREADABLE_REQUEST, "x"),
        LookupFailed(Reason.KEYS_UNAVAILABLE),
    ]
    assert all(isinstance(error, AuthGateError) for error in errors)


def test_the_text_of_refused_is_the_reason_and_not_the_detail() -> None:
    refused = Refused(Reason.EXPIRED, "user-1 expired")
    assert (str(refused), refused.detail) == ("expired", "user-1 expired")


def test_the_detail_of_a_refusal_is_made_when_it_is_read() -> None:
    made: list[str] = []

    def make() -> str:
        made.append("made")
        return "the detail"

    refused = Refused(Reason.EXPIRED, make)
    assert not made
    assert refused.detail == "the detail"
    assert made
