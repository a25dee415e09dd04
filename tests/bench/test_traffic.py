"""What the loads send: tokens, request heads, users; and the processor time that is counted."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter

import jwt
import pytest

from bench.loads.refusals import garbage
from bench.loads.users import USERS, zipf
from bench.pinned import Server, used
from bench.request_heads import bearer, realistic, subrequest
from bench.signing import signer

NUMBERS = (1, 2, 3, 4, 5, 6, 7)


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
def test_a_token_is_valid_and_a_forged_one_is_not(algorithm: str) -> None:
    made = signer(algorithm)
    claims = jwt.decode(made.token(7), made.verification_key(), algorithms=[algorithm])  # noqa: TID251 - the rivals' way
    assert claims["sub"] == "user-00000007"
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(made.forged(7), made.verification_key(), algorithms=[algorithm])  # noqa: TID251
    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(made.token(7, expires_in=-1), made.verification_key(), algorithms=[algorithm])  # noqa: TID251


def test_the_key_set_verifies_the_tokens() -> None:
    key = jwt.PyJWK(signer("ES256").jwks()["keys"][0])
    assert jwt.decode(signer("ES256").token(0), key, algorithms=["ES256"])  # noqa: TID251


def test_a_realistic_head_has_sixteen_lines_and_differs_in_each_request() -> None:
    head = realistic(bearer("a%b"))
    first, second = head % NUMBERS, head % (9, *NUMBERS[1:])
    assert first != second
    assert first.endswith("Authorization: Bearer a%b\r\n\r\n")
    assert len(first.strip().split("\r\n")) == 1 + 16
    assert len(subrequest(bearer("a")).strip().split("\r\n")) == 1 + 10


def test_garbage_is_another_text_in_each_request() -> None:
    (line,) = (line for line in garbage().split("\r\n") if line.startswith("Authorization"))
    assert line % 1 != line % 2


def test_the_first_of_the_users_sends_twice_as_much_as_the_second() -> None:
    counts = Counter(zipf(random.Random(1)))
    assert 1.8 < counts[1] / counts[2] < 2.2
    assert min(counts) == 1
    assert max(counts) <= USERS


def test_the_processor_time_of_children_counts() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        server = Server(process.pid, 0)
        try:
            begin = server.cpu_nanoseconds()
            while used(begin, server.cpu_nanoseconds()) < 0.3:
                assert process.poll() is None
            assert used(begin, server.cpu_nanoseconds()) > 0.3
        finally:
            for pid in reversed(server.pids()):
                subprocess.run(["kill", str(pid)], check=False)
