"""What a PostgreSQL server may do: nothing that it sends delays others, and an honest answer after it counts again."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from authgate.sessions._postgres_guard import MAX_ROW_BYTES, MAX_SCRAM_ITERATIONS
from tests.neighbors import lying
from tests.neighbors import postgres_modes as modes
from tests.neighbors.beside import Neighborhood, beside, better_auth
from tests.support.client import ask
from tests.support.postgres import READER, READER_PASSWORD, postgres
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.neighbors.lying import Liar, Mode

# What one answer may have, and what the kernel's buffers hold beyond what AuthGate reads.
MAX_SENT_BYTES = 2 * MAX_ROW_BYTES + 4 * 1024 * 1024
MAX_IDLE_BYTES = 5 * 1024 * 1024
MAX_GROWN_BYTES = 32 * 1024 * 1024
# What would forge a line of the log, and clear a terminal.
FORGED = b"no entry\n21:59:59 info allow subject=root\x1b[2J\x1b]0;owned\x07"

# Each lie, and what AuthGate says of it.
AT_LOGIN: dict[str, tuple[Mode, str]] = {
    "scram with 2,000,000,000 iterations": (modes.scram(b"2000000000"), "demands 2000000000 iterations of SCRAM"),
    "scram with one iteration too many": (
        modes.scram(b"%d" % (MAX_SCRAM_ITERATIONS + 1)),
        "set scram_iterations to less",
    ),
    "scram with no iterations": (modes.scram(b"0"), "invalid challenge"),
    "scram with garbage": (modes.scram(b"4096x"), "invalid challenge"),
    "scram with a number of 20 digits": (modes.scram(b"1" * 20), "invalid challenge"),
    "endless authentication": (modes.endless_authentication, "asks twice for the same step"),
    "Kerberos": (modes.kerberos, "a method of authentication that AuthGate does not have (number 2)"),
    "an error of 50 MB": (
        modes.announces(50_000_000, b"E", modes.started),
        "announced 49999996 bytes in a message 'E'",
    ),
    "endless notices": (modes.endless(modes.notice(), modes.started), "messages for a login"),
    "endless parameters": (modes.endless(modes.parameter(b"a", b"b"), modes.started), "messages for a login"),
    "an answer in place of a login": (modes.endless(modes.PARSED, modes.started), "a message begins with '1'"),
    "a login without a version": (modes.without_a_version, "an answer that the driver cannot read"),
    "Redis": (modes.speaks_redis, "does not speak PostgreSQL's protocol: a message begins with '-'"),
    "a forged line in an error": (modes.refuses(b"28000", FORGED), "let this user log in: 'no entry'"),
    "a forged line in a SQLSTATE": (modes.refuses(FORGED, b"x"), r"(SQLSTATE 'no entr...')"),
}
AT_ANSWER: dict[str, tuple[Mode, str]] = {
    "a message of 1.5 GB": (modes.announces(1_500_000_000), "announced 1499999996 bytes in a message 'T'"),
    "a row of 1.5 GB": (modes.announces(1_500_000_000, b"D"), "announced 1499999996 bytes in a message 'D'"),
    "a message of -1 bytes": (modes.announces(-1), "announced -5 bytes"),
    "a message of 0 bytes": (modes.announces(0), "announced -4 bytes"),
    "endless notifications": (modes.endless(modes.message(b"A", b"1234x\0y\0")), "messages for one question"),
    "a wish for data to copy": (
        modes.parses_as(modes.message(b"G", b"\0\0\0")),
        "a message 'G' that answers no question",
    ),
    "an error of 50 MB": (modes.announces(50_000_000, b"E"), "announced 49999996 bytes in a message 'E'"),
    "a forged line in an error": (modes.fails(b"42P01", FORGED), "'no entry': for other names see"),
    "endless notices": (modes.endless(modes.notice()), "messages for one question"),
    "endless parameters": (modes.endless_parameters, "messages for one question"),
    "endless rows": (modes.endless_rows, "for one question"),
    "65,535 columns": (modes.parses_as(modes.message(b"T", b"\xff\xff" + b"x" * 100)), "announced 65535 columns"),
    "columns of an unknown type": (
        modes.parses_as(modes.message(b"t", b"\0\0") + modes.columns(b"session", type_id=99_999)),
        "a column of a type that AuthGate did not ask for",
    ),
    "parameters of unknown types without an end": (modes.unknown_parameters, "messages for one question"),
}


def failure(neighborhood: Neighborhood) -> str:
    """Return why the last lookup failed."""
    return str(ask(neighborhood.running.admin_port, "/readyz").json["issuers"]["app"]["sessions"])


def dsn(
    liar: Liar, query: str = "sslmode=disable", login: str = "authgate:secret", database: str = "app"
) -> dict[str, str]:
    return {"dsn": f"postgresql://{login}@127.0.0.1:{liar.port}/{database}?{query}"}


def descriptors(neighborhood: Neighborhood) -> int:
    return len(list(Path(f"/proc/{neighborhood.running.process.pid}/fd").iterdir()))


def is_served(neighborhood: Neighborhood) -> bool:
    answer = neighborhood.session()
    return (answer.status, answer.header("X-User-Id")) == (200, "app:ada")


def check_each(tmp_path: Path, lies: dict[str, tuple[Mode, str]], query: str = "sslmode=disable") -> None:
    first, _ = next(iter(lies.values()))
    with lying.lying(first) as liar, beside(tmp_path, better_auth(postgres=dsn(liar, query))) as neighborhood:
        until(lambda: liar.connections)  # AuthGate asks at its start, before any request
        at_start = descriptors(neighborhood)
        neighborhood.until_others_are_served()
        for name, (mode, cause) in lies.items():
            liar.mode, sent = mode, liar.sent
            until(lambda: neighborhood.session().status == 503)
            assert cause in failure(neighborhood), name
            assert liar.sent - sent < MAX_SENT_BYTES, name
            neighborhood.until_others_are_served(5)
            if query == "sslmode=disable":
                liar.mode = modes.honest_once
                until(lambda: is_served(neighborhood))
        assert neighborhood.grown_bytes() < MAX_GROWN_BYTES
        until(lambda: descriptors(neighborhood) <= at_start + 2)
        assert all(event.isprintable() for event in neighborhood.events())


TLS_LIES: dict[str, tuple[Mode, str]] = {
    "TLS is refused": (modes.logged_in, "it does not speak TLS, which the DSN requires"),
    "an error in place of TLS": (modes.answers_tls_with(b"E"), "it does not answer as PostgreSQL does"),
    "garbage in place of a handshake": (modes.answers_tls_with(b"S" + b"garbage" * 100), "cannot be reached"),
    "HTTP in place of a handshake": (
        modes.answers_tls_with(b"S" + b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "cannot be reached",
    ),
    "endless noise in place of TLS": (lying.noise, "it does not answer as PostgreSQL does"),
}


def test_a_lie_at_the_login_is_a_failure_and_the_next_honest_answer_counts(tmp_path: Path) -> None:
    check_each(tmp_path, AT_LOGIN)


def test_a_lie_in_an_answer_is_a_failure_and_the_next_honest_answer_counts(tmp_path: Path) -> None:
    check_each(tmp_path, AT_ANSWER)


def test_a_lie_about_tls_is_a_failure(tmp_path: Path) -> None:
    check_each(tmp_path, TLS_LIES, "sslmode=require")


def test_an_answer_in_segments_of_one_byte_counts(tmp_path: Path) -> None:
    with lying.lying(modes.slowly) as liar, beside(tmp_path, better_auth(postgres=dsn(liar))) as neighborhood:
        assert is_served(neighborhood)


def test_an_answer_that_nobody_asked_for_is_nobodys(tmp_path: Path) -> None:
    with lying.lying(modes.answers_twice) as liar, beside(tmp_path, better_auth(postgres=dsn(liar))) as neighborhood:
        for token in ("ada-1", "bob-1", "ada-1", "cora-1", "bob-1"):
            answer = neighborhood.session(token)
            assert (answer.status, answer.header("X-User-Id")) == (200, f"app:{token.partition('-')[0]}")


@pytest.mark.parametrize(
    "points",
    [
        [lying.Connection.read, modes.started, modes.logged_in, modes.asked],
        [modes.begins_tls, modes.offers_scram, modes.parsed, modes.half_a_row],
    ],
    ids=["4 points", "4 others"],
)
def test_silence_at_any_point_delays_no_other_request(
    points: list[Callable[[lying.Connection], object]], tmp_path: Path
) -> None:
    with (
        lying.lying(modes.silent_at(*points)) as liar,
        beside(tmp_path, better_auth(postgres=dsn(liar, "sslmode=prefer"))) as neighborhood,
        ThreadPoolExecutor(3) as clients,
    ):
        until(lambda: liar.connections)  # AuthGate asks at its start
        answers = list(clients.map(neighborhood.session, ["ada-1", "bob-1", "cora-1"]))
        assert [answer.status for answer in answers] == [503] * 3
        assert len(liar.connections) == 4


def test_noise_on_an_idle_connection_ends_it_and_no_more(tmp_path: Path) -> None:
    mode = modes.NoisyWhenIdle()
    with lying.lying(mode) as liar, beside(tmp_path, better_auth(postgres=dsn(liar))) as neighborhood:
        for _ in range(3):
            until(lambda: is_served(neighborhood))
        until(lambda: mode.ended == len(liar.connections))
        assert liar.sent < len(liar.connections) * MAX_IDLE_BYTES


def test_a_connection_that_was_lost_without_a_word_costs_no_request(tmp_path: Path) -> None:
    with postgres() as server:
        server.create_better_auth()
        server.add_user("ada")
        server.add_session("ada-1", "ada")
        path = modes.Path(server.port)
        login = f"{READER}:{READER_PASSWORD}"
        with (
            lying.lying(path) as liar,
            beside(tmp_path, better_auth(postgres=dsn(liar, login=login, database="postgres"))) as neighborhood,
        ):
            assert is_served(neighborhood)
            time.sleep(1.1)  # after a second, a connection no longer counts as proven
            opened = len(liar.connections)
            path.drop()
            assert is_served(neighborhood)
            assert len(liar.connections) == opened + 1
