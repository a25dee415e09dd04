"""The transcript of a decision: what is recorded as a step reads as a check."""

from __future__ import annotations

from authgate.core.decision import Allow, Check
from authgate.core.transcript import Transcript
from tests.support.deciding import bearer, decide_now, make_snapshot
from tests.support.ruling import count_calls
from tests.support.tokens import claims, mint


def described(name: str, source: str) -> str:
    return f"{name} from {source}"


def transcript() -> Transcript:
    made = Transcript()
    made.add(("policy", "default"))
    made.add(("token", described, "ada", "a header"))
    made.add(Check("times", passed=False, detail="expired"))
    return made


CHECKS = [
    Check("policy", passed=True, detail="default"),
    Check("token", passed=True, detail="ada from a header"),
    Check("times", passed=False, detail="expired"),
]


def test_a_transcript_reads_as_a_sequence_of_checks() -> None:
    made = transcript()
    assert [*made] == CHECKS
    assert (len(made), made[0], made[-1], made[1:]) == (3, CHECKS[0], CHECKS[2], CHECKS[1:])
    assert made
    assert not Transcript()
    assert [*reversed(made)] == CHECKS[::-1]


def test_transcripts_are_equal_if_their_checks_are() -> None:
    assert transcript() == transcript() == tuple(CHECKS)
    assert hash(transcript()) == hash(transcript())
    assert transcript() != Transcript()
    assert transcript() != 3
    assert repr(transcript()) == f"Transcript({CHECKS!r})"


def test_no_text_is_made_of_the_checks_of_an_allowed_request_until_they_are_read() -> None:
    snapshot, request = make_snapshot(), bearer(mint(claims()))
    for _ in range(2):
        decide_now(request, snapshot)
    deciding = count_calls(lambda: decide_now(request, snapshot))
    assert not any(file.endswith("core/quoting.py") for file in deciding)
    decision = decide_now(request, snapshot)
    assert isinstance(decision, Allow)
    assert [check.detail for check in decision.checks if check.name == "token"] == ["issuer app, subject 'user-1'"]
