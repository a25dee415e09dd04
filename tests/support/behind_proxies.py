"""A real AuthGate behind real proxies. A test sends each request through all of them.

    with running_proxies(folder) as proxies, proxies.serve(folder, by_url("app", issuer)) as running:
        assert running.ask(issuer.token()).status == 200          # nginx, Traefik and Caddy say the same
        running.until(401, old_token, meanwhile={200})         # soon; until then 200
        assert running.report("app")["state"] == "ready"

At the end, no token that was sent may be in AuthGate's log, /keys or /metrics.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tests.support import processes
from tests.support.client import Answer, ask, bearer
from tests.support.prefixes import as_one
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path


@dataclass
class Running:
    """A running AuthGate, and the ports of the proxies before it, by name."""

    authgate: processes.RunningAuthGate
    ports: dict[str, int]
    sent: list[str] = field(default_factory=list)

    def ask_each(self, token: str) -> dict[str, Answer]:
        """Return what each proxy answers to *token*."""
        self.sent.append(token)
        return {proxy: ask(port, "/api/echo", bearer(token)) for proxy, port in self.ports.items()}

    def ask(self, token: str) -> Answer:
        """Return the answer to *token*. Every proxy must have the same status, and the same reason or identity."""
        answers = self.ask_each(token)
        assert len({(answer.status, *_gist(answer)) for answer in answers.values()}) == 1, answers
        return next(iter(answers.values()))

    def until(self, status: int, token: str, *, meanwhile: set[int]) -> None:
        """Ask until every proxy answers *status*. Until then, only statuses in *meanwhile* are allowed."""

        def all_do() -> bool:
            statuses = {proxy: answer.status for proxy, answer in self.ask_each(token).items()}
            assert {*statuses.values()} <= meanwhile | {status}, statuses
            return {*statuses.values()} == {status}

        until(all_do)

    def report(self, name: str) -> dict[str, Any]:
        """Return an issuer's part of /keys."""
        report: dict[str, Any] = self.authgate.page("/keys").json["issuers"][name]
        return report

    def readyz(self) -> Answer:
        return ask(self.authgate.admin_port, "/readyz")

    def events(self) -> list[str]:
        """Return the messages logged so far, without refusals."""
        lines = self.authgate.log.read_text().splitlines(keepends=True)
        return [event for line in lines if line[-1] == "\n" and (event := json.loads(line)["event"]) != "deny"]

    def logged(self, *words: str) -> None:
        """Wait until one message contains all *words*: a thread writes the log."""
        until(lambda: any(all(word in event for word in words) for event in self.events()))


def _gist(answer: Answer) -> tuple[str, ...]:
    if answer.status == 200:
        return tuple(value for name, value in answer.json["headers"] if name.lower() == "x-user-id")
    return (answer.json["reason"],)


@dataclass(frozen=True)
class Proxies:
    """Proxies that send subrequests to *authgate_port*, before an upstream that answers with what arrived."""

    authgate_port: int
    ports: dict[str, int]

    def only(self, *names: str) -> Proxies:
        """Return the proxies of these names."""
        return replace(self, ports={name: self.ports[name] for name in names})

    @contextmanager
    def serve(
        self,
        folder: Path,
        *issuers: Mapping[str, Any],
        through: str | None = None,
        environ: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> Iterator[Running]:
        """Run AuthGate with these *issuers* and other *settings*, behind one proxy or all."""
        settings = {"issuers": as_one(issuers), "log": {"details": True, "allowed": True}, **settings}
        config = "\n".join(f"{name}: {json.dumps(value)}" for name, value in settings.items())
        ports = self.ports if through is None else {through: self.ports[through]}
        with processes.authgate(folder, config, environ=environ, port=self.authgate_port) as running:
            behind = Running(running, ports)
            yield behind
            shown = running.page("/keys").body.decode() + running.page("/metrics").body.decode()
        shown += running.log.read_text()
        for token in {*behind.sent}:
            assert not [part for part in token.split(".") if len(part) > 8 and part in shown], (
                "a token was logged or reported"
            )


@contextmanager
def running_proxies(folder: Path, *names: str) -> Iterator[Proxies]:
    """Run the proxies of these *names* (by default nginx, Traefik and Caddy) on their shipped configurations."""
    port = processes.free_port()
    start: dict[str, Callable[[int], AbstractContextManager[int]]] = {
        "nginx": lambda upstream: processes.nginx(folder, authgate=f"127.0.0.1:{port}", upstream=upstream),
        "traefik": lambda upstream: processes.traefik(folder, authgate=port, upstream=upstream),
        "caddy": lambda upstream: processes.caddy(folder, authgate=port, upstream=upstream),
    }
    with ExitStack() as stack:
        upstream = stack.enter_context(processes.echo(folder))
        yield Proxies(port, {name: stack.enter_context(start[name](upstream)) for name in names or start})
