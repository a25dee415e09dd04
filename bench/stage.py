"""What the contenders of one load share: the cores, a folder, the keys of their setup, and the reply that they send."""

from __future__ import annotations

import http.client
import json
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from bench.pinned import HOST, free_port, running
from bench.signing import Signer, signer

if TYPE_CHECKING:
    from contextlib import ExitStack

    from bench.pinned import Server

ROOT = Path(__file__).parents[1]
RIVALS = ROOT / ".venv" / "rivals"  # `make bench` installs there what AuthGate itself never imports
PROGRAMS = Path(__file__).with_name("programs")
# Every server sets these by itself.
_OWN_HEADERS = {"content-type", "content-length", "date", "server"}


@dataclass(frozen=True, slots=True)
class Setup:
    """What a contender is configured with: the *algorithm* of the tokens, and whether it listens with TLS."""

    algorithm: str = "HS256"
    tls: bool = False

    @property
    def signer(self) -> Signer:
        """What signs the tokens."""
        return signer(self.algorithm)


@dataclass
class Stage:
    """Where contenders run: servers on *core*, wrk on *other_core*. They end when *stack* closes."""

    folder: Path
    core: int
    other_core: int
    seconds: int
    rounds: int
    stack: ExitStack
    reply: dict[str, str] = field(default_factory=dict)  # the headers of AuthGate's reply, to be sent by others
    _count: int = 0

    def fresh(self, name: str) -> Path:
        """Return a path in the folder that nothing else uses."""
        self._count += 1
        return self.folder / f"{self._count}-{name}"

    def run(self, command: list[str], port: int, *, core: int | None = None, **environment: str) -> Server:
        """Start a server that listens at *port*, on the contenders' core or another one."""
        log = self.fresh("log")
        return self.stack.enter_context(running(command, port, self.core if core is None else core, log, **environment))

    def program(self, name: str, *, python: str = sys.executable, core: int | None = None, **options: object) -> Server:
        """Start the Python program *name* of bench/programs. It gets *options*, its port and the reply as JSON."""
        port = free_port()
        settings = json.dumps({"port": port, "reply": self.reply} | options)
        return self.run([python, str(PROGRAMS / f"{name}.py")], port, core=core, OPTIONS=settings)

    @cached_property
    def certificate(self) -> tuple[str, str]:
        """The files of the certificate for loopback, and of its key."""
        made = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert(HOST, key_type=trustme.KeyType.ECDSA)
        certificate, key = self.fresh("tls.crt"), self.fresh("tls.key")
        certificate.write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
        made.private_key_pem.write_to_path(str(key))
        key.chmod(0o600)
        return str(certificate), str(key)


def reply_headers(port: int, head: str) -> dict[str, str]:
    """Return the headers of the reply to *head*, without those that every server sets by itself."""
    line, *lines = head.strip().split("\r\n")
    method, target, _ = line.split()
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request(method, target, headers=dict(one.split(": ", 1) for one in lines))
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        sys.exit(f"bench: AuthGate's reply was {answer.status}")
    return {name: value for name, value in answer.getheaders() if name.lower() not in _OWN_HEADERS}
