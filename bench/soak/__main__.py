"""Ten minutes of users and attackers through real nginx: `make soak`, or `python -m bench.soak`. Needs Linux and nginx.

nginx runs the shipped files, and asks a real AuthGate with four issuers: a secret, keys by URL that rotate, sessions
over HTTP, and encrypted cookies. The configuration is reloaded meanwhile. Each answer to a user (users.py) is checked,
with the identity that arrives at the upstream. The attackers (attacks.py) must gain nothing, and cost nobody an answer.

The exit code is 1 if anything is wrong: a user is refused, the upstream sees another identity, memory grows, a
descriptor stays open, the admin port does not answer, or a log has a line that report.py does not expect.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import sys
import tempfile
import time
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from bench.serving import authgate
from bench.soak.attacks import attackers
from bench.soak.issuers import APP, AUDIENCE, Issuers, Person
from bench.soak.report import Process, Sample, Soak, read_logs, show
from bench.soak.users import HOST, HS256, Client, User, World, WrongIdentity, behave, users
from tests.support.processes import echo, free_port, nginx
from tests.support.reloading import rewrite

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.processes import RunningAuthGate

USERS_OF_EACH_KIND = 6
RELOADS = ROTATIONS = 6
SAMPLE_SECONDS = 5.0
SETTLE_SECONDS = 60.0
CONFIGURATION = Template("""
trusted_proxies: [$host/32]
leeway_seconds: $leeway_seconds
issuers:
  - {name: app, preset: jwt, issuer: "$app", audiences: [$audience], secret: "$app_secret"}
  - name: idp
    preset: jwt
    issuer: $url
    audiences: [$audience]
    subject_prefix: "idp:"
    jwks_url: $url/jwks
    refresh_seconds: 10
    cooldown_seconds: 5
    allow_http: true
  - name: web
    preset: better-auth
    url: $url
    secret: "$web_secret"
    subject_prefix: "web:"
    jwt_plugin: false
    bearer: raw
    sessions: {check: always, cache_seconds: 5}
  - {name: desk, preset: authjs, url: $url, secret: "$desk_secret", subject_prefix: "desk:"}
policies:
  - {name: public, match: {path: /api/public/**}, public: true}
  - {name: optional, issuers: [app, idp, web, desk], match: {path: /api/optional/**}, optional: true}
  - {name: admin, issuers: [app, idp, web, desk], match: {path: /api/admin/**}, require: {roles: {any_of: [admin]}}}
  - {name: own, issuers: [app, idp, web, desk], match: {path: "/api/users/{subject}/**"}, require: signed_in}
  - {name: rest, issuers: [app, idp, web, desk], require: signed_in}
""")


# -- the run ----------------------------------------------------------------------------------------------------------


async def soak(seconds: float, folder: Path) -> Soak:
    """Run everything for *seconds*, with its files in *folder*, and return what happened."""
    run = Soak(seconds)
    with ExitStack() as stack:
        async with _issuers() as issuers:
            server = stack.enter_context(authgate(folder, _configuration(issuers)))
            upstream = stack.enter_context(echo(folder))
            run.before = await _settled(server, issuers, None)
            with nginx(folder, authgate=f"{HOST}:{server.port}", upstream=upstream) as port:
                alice = User(HS256, Person("alice"), issuers)
                world = World(issuers, alice, port, server.port, server.admin_port)
                await _traffic(run, world, server, folder)
            run.after = await _settled(server, issuers, run.before)
            run.done.update({"key loads": issuers.fetches, "session lookups": issuers.lookups})
            run.metrics = await _metrics(server.admin_port)
            stack.close()  # AuthGate writes its last counts
    read_logs(run, server.log, folder / "nginx.log")
    return run


async def _traffic(run: Soak, world: World, server: RunningAuthGate, folder: Path) -> None:
    """Let users, attackers and operators work for the time of the run. End at once if an identity is wrong."""
    crowd = [*users(world.issuers, USERS_OF_EACH_KIND), *[None] * USERS_OF_EACH_KIND]
    try:
        async with asyncio.timeout(run.seconds), asyncio.TaskGroup() as tasks:
            for place, user in enumerate(crowd):
                tasks.create_task(behave(world, user, place, run.good))
            for attacker in attackers(world, run.bad):
                tasks.create_task(attacker)
            tasks.create_task(_operate(run, world.issuers, server))
            tasks.create_task(_probe(run, world.admin))
            tasks.create_task(_measure(run, server, folder))
    except* TimeoutError:
        pass
    except* WrongIdentity as wrong:
        run.wrong_identity = str(wrong.exceptions[0])


@asynccontextmanager
async def _issuers() -> AsyncIterator[Issuers]:
    port = free_port()
    issuers = Issuers(f"http://{HOST}:{port}")
    async with await asyncio.start_server(issuers.serve, HOST, port):
        yield issuers


def _configuration(issuers: Issuers, leeway_seconds: int = 30) -> str:
    return CONFIGURATION.substitute(
        host=HOST,
        leeway_seconds=leeway_seconds,
        app=APP,
        app_secret=issuers.app_secret.decode(),
        audience=AUDIENCE,
        url=issuers.url,
        web_secret=issuers.web_secret.decode(),
        desk_secret=issuers.desk_secret.decode(),
    )


async def _operate(run: Soak, issuers: Issuers, server: RunningAuthGate) -> None:
    """Rotate the keys, and reload the configuration: at SIGHUP and, every other time, by the changed file alone."""
    while True:
        await asyncio.sleep(run.seconds / (RELOADS + 1))
        issuers.rotate()
        run.done["reloads"] += 1
        rewrite(server, _configuration(issuers, 30 + run.done["reloads"]))
        if run.done["reloads"] % 2:
            server.process.send_signal(signal.SIGHUP)


async def _probe(run: Soak, port: int) -> None:
    """Ask /healthz once a second, as an orchestrator does."""
    while True:
        probe = Client(port, HOST)
        status, _ = await probe.ask(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        probe.close()
        run.probes[status] += 1
        await asyncio.sleep(1)


async def _measure(run: Soak, server: RunningAuthGate, folder: Path) -> None:
    master = (folder / "nginx" / "nginx.pid").read_text().strip()
    worker = int((Path("/proc") / master / "task" / master / "children").read_text())
    began, pause = time.monotonic(), min(SAMPLE_SECONDS, run.seconds / 10)
    while True:
        at = time.monotonic() - began
        sample = Sample(at, Process.read(server.process.pid), Process.read(worker), server.log.stat().st_size)
        run.samples.append(sample)
        print(
            f"{at:5.0f} s: requests of users {run.good.sent.total():,}, of attackers {run.bad.sent.total():,}; "
            f"AuthGate has {sample.authgate.mib:.1f} MiB, {sample.authgate.descriptors} descriptors ",
            end="\r", file=sys.stderr, flush=True,
        )  # fmt: skip
        await asyncio.sleep(pause)


async def _settled(server: RunningAuthGate, issuers: Issuers, before: Process | None) -> Process:
    """Return AuthGate's figures once they do not change any more, and it has no more descriptors than *before*."""
    deadline = time.monotonic() + SETTLE_SECONDS
    counts: list[int] = []
    while True:
        await asyncio.sleep(0.2)
        issuers.hang_up()
        now = Process.read(server.process.pid)
        counts = [*counts[-3:], now.descriptors]
        has_started = issuers.fetches and issuers.lookups  # AuthGate asks both issuers when it starts
        is_settled = has_started and len(counts) == 4 and len(set(counts)) == 1
        if time.monotonic() > deadline or (is_settled and (before is None or now.descriptors <= before.descriptors)):
            return now


async def _metrics(port: int) -> dict[str, float]:
    """Return the counts of /metrics that are not 0, each with its name and labels."""
    await asyncio.sleep(1.1)  # the page is made once a second
    _, page = await Client(port, HOST).ask(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    samples = re.findall(r"^(authgate_\w+_total(?:\{.*\})?) (\S+)$", page.decode(), re.MULTILINE)
    return {name: float(value) for name, value in samples if float(value)}


def main() -> None:
    """Run the soak and print what happened."""
    parser = argparse.ArgumentParser(description="Users and attackers through real nginx, and what must stay flat.")
    parser.add_argument("--seconds", type=float, default=600, help="duration of the traffic (default: 600)")
    parser.add_argument("--json", type=Path, help="also write everything to this file, as JSON")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end what the soak has started
    with tempfile.TemporaryDirectory(prefix="authgate-soak-") as folder:
        run = asyncio.run(soak(options.seconds, Path(folder)))
    show(run)
    if options.json:
        options.json.write_text(json.dumps(vars(run) | {"faults": run.faults()}, default=vars))
    sys.exit(bool(run.faults()))


if __name__ == "__main__":
    main()
