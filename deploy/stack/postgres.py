"""PostgreSQL of Debian's packages, on a cluster of the stack's own, with its three roles."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.processes import ROOT, START_SECONDS, CannotStart, Part, kept_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLES = ("web", "tasks", "authgate")
DATABASE = "app"
_MEND = "apt-get install postgresql"


class Postgres(Part):
    """The server, and the DSN of each role. PostgreSQL refuses root, so there it runs as its user postgres."""

    def __init__(self, folder: Path, number: int, *, logs: Path) -> None:
        """*folder* holds passwords; as root the cluster is in the home of the user postgres, else beside them."""
        self._passwords = folder / "passwords"
        self._passwords.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._home = (
            _home_of_postgres() / f"authgate-stack-{_short_hash(folder)}" if _is_root() else folder / "postgres"
        )
        self.cluster = self._home / "cluster"
        settings = {"port": number, "listen_addresses": "127.0.0.1", "unix_socket_directories": self._home}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = _as_postgres([_binary("postgres"), "-D", str(self.cluster), *options])
        super().__init__("postgres", command, number, {}, logs=logs)

    def dsn(self, role: str) -> str:
        """Return the address of the database for *role*; "postgres" is the superuser."""
        return f"postgresql://{role}:{self._password(role)}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        """Run it; the cluster, the database and the roles are made where they are missing."""
        is_new = not self.cluster.exists()
        if is_new:
            self._make_cluster()
        super().start()
        self._wait_for_connections()
        if is_new:
            self._psql("postgres", f"CREATE DATABASE {DATABASE}")
        passwords = {f"{role.upper()}_PASSWORD": self._password(role) for role in ROLES}
        self._psql(DATABASE, f"\\i {ROOT / 'deploy' / 'stack' / 'database' / 'roles.sql'}", passwords)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it; connections are closed first (SIGINT is PostgreSQL's fast shutdown)."""
        super().stop(how)

    def execute(self, sql: str) -> str:
        """Run *sql* as the superuser and return what it says, a line for each row, columns separated by |."""
        return self._psql(DATABASE, sql)

    def forget(self) -> None:
        """Delete the cluster, with all users, sessions and tasks."""
        shutil.rmtree(self._home, ignore_errors=True)

    def _password(self, role: str) -> str:
        return kept_secret(self._passwords / role)

    def _make_cluster(self) -> None:
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        password = self._home / "superuser"
        password.write_text(self._password("postgres"))
        if _is_root():
            for path in (self._home, password):
                shutil.chown(path, "postgres", "postgres")
        command = [_binary("initdb"), "-D", str(self.cluster), "-U", "postgres", "--pwfile", str(password)]
        command += ["--no-sync", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8"]
        ran = subprocess.run(_as_postgres(command), capture_output=True, text=True, cwd=self._home, check=False)
        password.unlink()
        if ran.returncode:
            shutil.rmtree(self._home)
            raise CannotStart(f"initdb failed:\n{ran.stderr}")

    def _wait_for_connections(self) -> None:
        deadline = time.monotonic() + START_SECONDS  # it listens before it takes connections
        while time.monotonic() < deadline:
            try:
                self._psql("postgres", "SELECT 1")
            except CannotStart:
                time.sleep(0.1)
            else:
                return
        raise CannotStart(f"PostgreSQL takes no connections; see {self.log}")

    def _psql(self, database: str, sql: str, environ: Mapping[str, str] | None = None) -> str:
        command = [_binary("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--tuples-only", "--no-align"]
        command += ["--host=127.0.0.1", f"--port={self.port}", "--username=postgres", f"--dbname={database}"]
        given = {"PATH": os.environ["PATH"], "PGPASSWORD": self._password("postgres"), **(environ or {})}
        ran = subprocess.run(command, input=sql, env=given, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise CannotStart(f"psql failed:\n{ran.stderr}")
        return ran.stdout


def _is_root() -> bool:
    return os.getuid() == 0


def _home_of_postgres() -> Path:
    try:
        return Path(pwd.getpwnam("postgres").pw_dir)
    except KeyError:
        raise CannotStart(f"PostgreSQL is missing: {_MEND}") from None


def _short_hash(folder: Path) -> str:
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]


def _binary(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    if found:
        return str(found[-1])
    elsewhere = shutil.which(name)
    if not elsewhere:
        raise CannotStart(f"{name} is missing: {_MEND}")
    return elsewhere


def _as_postgres(command: list[str]) -> list[str]:
    """Return *command* as another user runs it where we are root, whom PostgreSQL refuses."""
    if not _is_root():
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
