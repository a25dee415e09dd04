"""Many users at once: each sees its own identity, whatever the others send at the same time (J24)."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from authgate.adapters import ADAPTERS
from tests.support.serving import Served, bearer_line, described, exchange, fresh, head, read_answer, serving
from tests.support.tokens import OTHER_SECRET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from tests.support.serving import Answer, Lines

USERS = 500
TEAMS = 7
POLICIES = """
issuers: [{name: app, preset: jwt, secret_env: JWT_SECRET, audiences: any}]
policies:
  - {name: open, match: {path: /open}, public: true}
  - {name: maybe, match: {path: /maybe}, optional: true}
  - {name: own, match: {path: "/own/{subject}"}, require: signed_in, headers: {X-Tenant: claims.tenant}}
""" + "".join(
    f"  - {{name: team-{team}, match: {{path: /teams/{team}}}, require: {{roles: {{any_of: [team-{team}]}}}}, "
    f"headers: {{X-Plan-{team}: claims.plan}}}}\n"
    for team in range(TEAMS)
)  # fmt: skip
# What every allowed reply has. Those of other policies are empty.
COMMON = ("X-User-Id", "X-User-Email", "X-User-Name", "X-User-Roles")
ADDED = ("X-Tenant", *(f"X-Plan-{team}" for team in range(TEAMS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One request of one user, and the expected answer: the *reason* of a refusal, or the headers."""

    lines: Lines
    proxy: str
    path: str = "/open"
    reason: str = ""
    user: tuple[str, ...] = ("",) * len(COMMON)
    added: tuple[str, str] = ("", "")

    def check(self, answer: Answer) -> None:
        assert answer.reason == self.reason
        assert (answer.status == 200) is (not self.reason)
        headers = {name: answer.all(name) for name in (*COMMON, *ADDED)}
        if self.reason:
            assert not any(headers.values())
        else:
            own = dict([self.added])
            assert headers == {
                **{name: [value] for name, value in zip(COMMON, self.user, strict=True)},
                **{name: [own.get(name, "")] for name in ADDED},
            }


def turns_of(number: int) -> list[Turn]:
    """Return the requests of user *number*: valid by header and by cookie, expired, tampered, forged, none."""
    user, team = f"user-{number}", number % TEAMS
    mine = {"sub": user, "email": f"{user}@example.com", "name": f"Name {number}", "roles": [user, f"team-{team}"]}
    mine |= {"tenant": f"tenant-{number}", "plan": f"plan-{number}"}
    is_mine = {"user": (user, f"{user}@example.com", f"Name {number}", f"{user},team-{team}")}
    token, neighbor = fresh(**mine), fresh(**mine | {"sub": f"user-{(number + 1) % USERS}"})
    header, payload, signature = token.split(".")
    tampered = f"{header}.{neighbor.split('.')[1]}.{signature}"
    cookie = ("Cookie", f"theme=dark; access_token={token}")
    turn = partial(Turn, proxy=tuple(ADAPTERS)[number % len(ADAPTERS)])
    expired, forged = fresh(**mine, exp=1, iat=0), fresh(**mine, key=OTHER_SECRET)
    own, team_path, other_team = f"/own/{user}", f"/teams/{team}", f"/teams/{(team + 1) % TEAMS}"
    return [
        turn(lines=[bearer_line(token)], path=own, **is_mine, added=("X-Tenant", f"tenant-{number}")),
        turn(lines=[cookie], path=own, **is_mine, added=("X-Tenant", f"tenant-{number}")),
        turn(lines=[bearer_line(token)], path=f"/own/user-{(number + 1) % USERS}", reason="forbidden"),
        turn(lines=[bearer_line(token)], path=team_path, **is_mine, added=(f"X-Plan-{team}", f"plan-{number}")),
        turn(lines=[cookie], path=other_team, reason="forbidden"),
        turn(lines=[bearer_line(token)], path="/open"),
        turn(lines=[bearer_line(token)], path="/maybe", **is_mine),
        turn(lines=[bearer_line(expired)], path="/maybe"),
        turn(lines=[bearer_line(expired)], path=own, reason="expired"),
        turn(lines=[bearer_line(tampered)], path=own, reason="bad_signature"),
        turn(lines=[bearer_line(forged), cookie], path=own, reason="bad_signature"),
        turn(lines=[bearer_line(f"{header}.{payload}.")], path="/maybe", reason="bad_signature"),
        turn(lines=[], path=team_path, reason="no_credential"),
    ]


@asynccontextmanager
async def serving_policies(folder: Path) -> AsyncIterator[Served]:
    file = folder / "authgate.yaml"
    file.write_text(POLICIES)
    async with serving(file=str(file)) as served:
        yield served


def request_of(turn: Turn) -> bytes:
    return head(f"/auth/{turn.proxy}", [("Host", "authgate"), *described(turn.proxy, uri=turn.path), *turn.lines])


async def test_J24_each_of_500_users_at_once_gets_only_its_own_decision_and_headers(tmp_path: Path) -> None:
    """GO-2026-5296, CVE-2026-33544 (tinyauth): state shared between requests gave one user another's identity."""
    turns = [turn for number in range(USERS) for turn in turns_of(number)]
    random.Random(24).shuffle(turns)
    async with serving_policies(tmp_path) as served:
        at_once = asyncio.Semaphore(USERS)  # so many connections are open at a time
        answers = await asyncio.gather(*(_ask(served, turn, at_once) for turn in turns))
        for turn, answer in zip(turns, answers, strict=True):
            turn.check(answer)
        metrics = await served.metrics()
    allowed = sum(float(line.split()[-1]) for line in metrics.splitlines() if _counts(line, "allow"))
    denied = sum(float(line.split()[-1]) for line in metrics.splitlines() if _counts(line, "deny"))
    assert (allowed, denied) == (6 * USERS, 7 * USERS)


async def _ask(served: Served, turn: Turn, at_once: asyncio.Semaphore) -> Answer:
    async with at_once:
        return await exchange(served.auth, request_of(turn))


def _counts(line: str, outcome: str) -> bool:
    return line.startswith("authgate_decisions_total{") and f'outcome="{outcome}"' in line


async def test_J24_requests_interleaved_on_shared_connections_keep_apart(tmp_path: Path) -> None:
    """A proxy keeps a few connections and sends everybody's requests over them."""
    async with serving_policies(tmp_path) as served:
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
