"""`make stack` as a newcomer runs it, in a clone; on a machine that has nothing: tests/images/test_fresh_machine.py."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from deploy.stack.postgres import Postgres
from tests.support.client import ask
from tests.support.processes import ROOT, free_port, program
from tests.support.stack import Client
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clone of what is committed, with what the first `make` installs and builds, so that it takes seconds."""
    program("nginx", mend="apt-get install nginx-light")
    made = tmp_path_factory.mktemp("clone") / "authgate"
    subprocess.run(["git", "clone", "--quiet", f"file://{ROOT}", made], check=True)
    for path in made.rglob("*"):
        os.utime(path, (0, 0))  # older than what is installed and built, which is ours
    (made / ".venv").symlink_to(ROOT / ".venv")
    web = made / "deploy" / "stack" / "web"
    (web / "node_modules").symlink_to(ROOT / "deploy" / "stack" / "web" / "node_modules")
    shutil.copytree(
        ROOT / "deploy" / "stack" / "web" / ".next" / "standalone", web / ".next" / "standalone", symlinks=True
    )
    (web / ".next" / "built").touch()
    yield made
    subprocess.run(["make", "stack-forget"], cwd=made, env=_environ(), check=True)


class Started:
    """A running `make stack`, in the foreground of a terminal of its own."""

    def __init__(self, clone: Path, log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            command = ["make", "stack", f"PORT={free_port()}"]
            self._process = subprocess.Popen(
                command, cwd=clone, env=_environ(), stdout=output, stderr=output, start_new_session=True
            )

    def printed(self, pattern: str) -> re.Match[str]:
        """Return what fits *pattern* in what it prints, as soon as it does."""

        def found() -> re.Match[str] | None:
            assert self._process.poll() is None or re.search(pattern, self._log.read_text()), self._log.read_text()
            return re.search(pattern, self._log.read_text())

        return until(found, pause_seconds=0.1)  # type: ignore[no-any-return]

    def ended(self) -> int:
        """Wait until it has ended by itself, and return its exit code."""
        return self._process.wait(60)

    def press_ctrl_c(self) -> str:
        """Interrupt it as a terminal does: every process of its group; return all that it printed."""
        os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(60)
        return self._log.read_text()


def test_it_prints_an_address_that_works_keeps_its_users_and_stops_cleanly(clone: Path, tmp_path: Path) -> None:
    first = Started(clone, tmp_path / "first.log")
    address, email, password = first.printed(r"Open (\S+) and sign up, or sign in as (\S+) with (\S+)\n").groups()
    traefik = first.printed(r"through Traefik +(\S+)")[1]
    ada = _client(address)
    ada.sign_up("ada@example.com")
    assert ada.ask("/api/v1/tasks", body={"title": "write"}).status == 201
    through_traefik = _client(traefik)
    through_traefik.cookies = dict(ada.cookies)
    assert through_traefik.ask("/api/v1/tasks").json["items"][0]["title"] == "write"
    assert _client(address).sign_in(email, password).status == 200
    logs = clone / re.search(r"Logs: (\S+)/\*\.log", (tmp_path / "first.log").read_text())[1]  # type: ignore[index]
    assert {log.stem for log in logs.iterdir()} >= {"postgres", "web", "tasks", "authgate", "nginx", "traefik"}

    twice = subprocess.run(["make", "stack"], cwd=clone, env=_environ(), capture_output=True, text=True, check=False)
    assert twice.returncode != 0
    assert "`make stack` is running here already; stop it with Ctrl-C first." in twice.stderr

    printed = first.press_ctrl_c()
    assert "Stopped. Users and tasks are kept" in printed
    assert "Traceback" not in printed
    assert _running(clone) == {}

    second = Started(clone, tmp_path / "second.log")
    address = second.printed(r"Open (\S+) and")[1]
    ada = _client(address)
    assert ada.sign_in("ada@example.com").status == 200
    assert [task["title"] for task in ada.ask("/api/v1/tasks").json["items"]] == ["write"]
    second.press_ctrl_c()
    assert _running(clone) == {}


def test_a_part_that_ends_by_itself_is_named_and_ends_the_rest(clone: Path, tmp_path: Path) -> None:
    started = Started(clone, tmp_path / "log")
    address = started.printed(r"Open (\S+) and")[1]
    (web,) = (pid for pid, name in _running(clone).items() if name.startswith("next-server"))
    os.kill(web, signal.SIGKILL)
    assert started.printed(r"(\S+) has ended by itself; its log is (\S+)\.\n").groups()[0] == "web"
    assert started.ended() != 0
    assert _running(clone) == {}
    with pytest.raises(OSError, match="refused"):
        ask(urlsplit(address).port or 80, "/")


def _client(address: str) -> Client:
    client = Client.__new__(Client)
    client._port, client.origin, client.cookies = urlsplit(address).port or 80, address, {}
    return client


def _running(clone: Path) -> dict[int, str]:
    """Return pid and name of what works in *clone*; PostgreSQL works in its cluster, which is named after it."""
    cluster = Postgres(clone / ".run" / "stack", 0, logs=clone).cluster
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            cwd = (process / "cwd").readlink()
            if cwd.is_relative_to(clone) or cwd.is_relative_to(cluster):
                found[int(process.name)] = (process / "comm").read_text().strip()
    return found


def _environ() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
