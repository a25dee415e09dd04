"""Many sign-ins at the same moment: some are refused for now, and everything else works."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.client import ask
from tests.support.stack import PASSWORD, Client, new_email

if TYPE_CHECKING:
    from deploy.stack.run import Stack
    from tests.support.client import Answer

pytestmark = pytest.mark.timeout(400)

MANY = 120


def test_a_burst_of_sign_ins_fails_for_nobody_and_stops_nothing_else(stack: Stack) -> None:
    """A hash takes one of Node's four threads, which files, DNS and the passwords of the database need, too."""
    email = new_email("burst")
    ada = Client(stack)
    ada.sign_up(email)
    web = Client(stack)
    web._port = stack.ports["web"]  # the burst goes past the proxies

    def sign_in(number: int) -> tuple[bool, Answer]:
        is_right = number % 2 == 0
        return is_right, web.copy().sign_in(email, PASSWORD if is_right else "not-the-password")

    with ThreadPoolExecutor(MANY) as pool:
        burst = [pool.submit(sign_in, number) for number in range(MANY)]
        meanwhile = []
        while not all(each.done() for each in burst):
            meanwhile += [ask(stack.ports["web"], "/api/auth/ok"), ada.copy().ask("/api/auth/get-session")]
    assert {answer.status for answer in meanwhile} == {200}
    answers = [each.result() for each in burst]
    assert {answer.status for is_right, answer in answers if is_right} <= {200, 503}
    assert {answer.status for is_right, answer in answers if not is_right} <= {401, 503}
    refused = [answer for _, answer in answers if answer.status == 503]
    assert 0 < len(refused) < MANY, "some wait, and those beyond the limit are refused"
    assert {(answer.json["code"], answer.header("Retry-After")) for answer in refused} == {("TOO_BUSY", "5")}
    assert Client(stack).sign_in(email).status == 200
