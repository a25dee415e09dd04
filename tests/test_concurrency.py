"""Many users at once: each sees its own identity, whatever the others send at the same time (J24)."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate.adapters import ADAPTERS
from tests.support.serving import Served, bearer_line, described, exchange, fresh, head, read_answer, serving
from tests.support.tokens import OTHER_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.serving import Answer, Lines

USERS = 200
ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Turn:
    """One request of one user, and the expected answer."""

    lines: Lines
    proxy: str
    status: int
    reason: str
    identity: tuple[str, ...]

    def check(self, answer: Answer) -> None:
        assert (answer.status, answer.reason) == (self.status, self.reason)
        names = ("X-User-Id", "X-User-Email", "X-User-Name", "X-User-Roles")
        assert tuple(value for name in names for value in answer.all(name)) == self.identity


def turns_of(number: int) -> list[Turn]:
    """Return the requests of user *number*: valid by header and by cookie, expired, tampered, forged, none."""
    user = f"user-{number}"
    mine = {"sub": user, "email": f"{user}@example.com", "name": f"Name {number}", "roles": [user, "member"]}
    identity = (user, f"{user}@example.com", f"Name {number}", f"{user},member")
    token, neighbor = fresh(**mine), fresh(**mine | {"sub": f"user-{(number + 1) % USERS}"})
    header, payload, signature = token.split(".")
    tampered = f"{header}.{neighbor.split('.')[1]}.{signature}"
    cookie = ("Cookie", f"theme=dark; access_token={token}")
    proxy = tuple(ADAPTERS)[number % len(ADAPTERS)]
    return [
        Turn([bearer_line(token)], proxy, 200, "", identity),
        Turn([cookie], proxy, 200, "", identity),
        Turn([bearer_line(fresh(**mine, exp=1, iat=0))], proxy, 401, "expired", ()),
        Turn([bearer_line(tampered)], proxy, 401, "bad_signature", ()),
        Turn([bearer_line(fresh(**mine, key=OTHER_SECRET)), cookie], proxy, 401, "bad_signature", ()),
        Turn([bearer_line(f"{header}.{payload}.")], proxy, 401, "bad_signature", ()),
        Turn([], proxy, 401, "no_credential", ()),
    ]


def request_of(turn: Turn) -> bytes:
    return head(f"/auth/{turn.proxy}", [("Host", "authgate"), *described(turn.proxy), *turn.lines])


async def test_J24_each_of_200_users_at_once_sees_only_its_own_identity() -> None:
    """GO-2026-5296, CVE-2026-33544 (tinyauth): state shared between requests gave one user another's identity."""
    turns = [turn for number in range(USERS) for turn in turns_of(number)]
    shuffled = random.Random(24)
    async with serving() as served:
        for _ in range(ROUNDS):
            shuffled.shuffle(turns)
            at_once = asyncio.Semaphore(USERS)  # so many connections are open at a time
            answers = await asyncio.gather(*(_ask(served, turn, at_once) for turn in turns))
            for turn, answer in zip(turns, answers, strict=True):
                turn.check(answer)
        metrics = await served.metrics()
    allowed = sum(float(line.split()[-1]) for line in metrics.splitlines() if _counts(line, "allow"))
    denied = sum(float(line.split()[-1]) for line in metrics.splitlines() if _counts(line, "deny"))
    assert (allowed, denied) == (2 * USERS * ROUNDS, 5 * USERS * ROUNDS)


async def _ask(served: Served, turn: Turn, at_once: asyncio.Semaphore) -> Answer:
    async with at_once:
        return await exchange(served.auth, request_of(turn))


def _counts(line: str, outcome: str) -> bool:
    return line.startswith("authgate_decisions_total{") and f'outcome="{outcome}"' in line


async def test_J24_requests_interleaved_on_shared_connections_keep_apart() -> None:
    """A proxy keeps a few connections and sends everybody's requests over them."""
    async with serving() as served:
        per_connection = [
            [turn for number in range(first, USERS, 8) for turn in turns_of(number)] for first in range(8)
        ]
        await asyncio.gather(*(_talk(served.auth, turns) for turns in per_connection))


async def _talk(address: str, turns: Iterable[Turn]) -> None:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for turn in turns:
        raw = request_of(turn)
        half = len(raw) // 2
        writer.write(raw[:half])
        await writer.drain()
        await asyncio.sleep(0)  # lets the other connections go on in the middle of this head
        writer.write(raw[half:])
        turn.check(await read_answer(reader))
    writer.close()
    await writer.wait_closed()
