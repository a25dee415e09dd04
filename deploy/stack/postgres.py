"""PostgreSQL of Debian's packages, on a cluster of the stack's own, with its three roles."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.processes import ROOT, CannotStart, Part, delete, kept_secret, write_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS = 30  # for initdb, and for each psql
ROLES = ("web", "tasks", "authgate")
DATABASE = "app"
_ROLES_SQL = ROOT / "deploy" / "stack" / "database" / "roles.sql"
_MEND = "apt-get install postgresql"


class Postgres(Part):
    """The server, and the DSN of each role. PostgreSQL refuses root, so there it runs as its user postgres."""

    def __init__(self, folder: Path, number: int, *, logs: Path) -> None:
        """*folder* holds the passwords, and the cluster, if its `home` is not elsewhere."""
        self._passwords = folder / "passwords"
        self._passwords.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._home = home(folder)
        except KeyError:
            raise CannotStart(f"PostgreSQL is missing: {_MEND}") from None
        self.cluster = self._home / "cluster"
        # No socket: nothing uses it, and its path could be longer than the 107 bytes that there are.
        settings = {"port": number, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = _as_postgres([_binary("postgres"), "-D", str(self.cluster), *options])
        super().__init__("postgres", command, number, {}, logs=logs)

    def dsn(self, role: str) -> str:
        """Return the address of the database for *role*; "postgres" is the superuser."""
        return f"postgresql://{role}:{self._password(role)}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        """Run it; the cluster, the database and the roles are made where they are missing."""
        if not self.cluster.exists():
            self._make_cluster()
        elif not (self._passwords / "postgres").exists():
            raise CannotStart(f"A database is in {self.cluster}; its password is lost: make stack-forget")
        super().start()
        is_missing = f"WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}')"
        self._psql("postgres", f"SELECT 'CREATE DATABASE {DATABASE}' {is_missing} \\gexec")
        passwords = {f"{role.upper()}_PASSWORD": self._password(role) for role in ROLES}
        self._psql(DATABASE, _ROLES_SQL.read_text(), passwords)

    def answers(self) -> bool:
        """Whether this very server takes connections, as it writes into its cluster.

        Whoever else took the port meanwhile would ask psql for the superuser's password, and get it.
        """
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it; connections are closed first (SIGINT is PostgreSQL's fast shutdown)."""
        super().stop(how)

    def execute(self, sql: str) -> str:
        """Run *sql* as the superuser and return what it says, a line for each row, columns separated by |."""
        return self._psql(DATABASE, sql)

    def forget(self) -> None:
        """Delete the cluster, with all users, sessions and tasks."""
        delete(self._home)

    def _password(self, role: str) -> str:
        return kept_secret(self._passwords / role)

    def _make_cluster(self) -> None:
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._home / "unfinished"  # what an interruption leaves here is no cluster
        delete(unfinished)
        password = write_secret(self._home / "superuser", self._password("postgres"))
        if _is_root():
            for path in (self._home, password):
                shutil.chown(path, "postgres", "postgres")
        command = [_binary("initdb"), "-D", str(unfinished), "-U", "postgres", "--pwfile", str(password)]
        command += ["--no-sync", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8"]
        try:
            _output("initdb", _as_postgres(command), cwd=self._home)
        finally:
            password.unlink()
        unfinished.rename(self.cluster)

    def _psql(self, database: str, sql: str, environ: Mapping[str, str] | None = None) -> str:
        command = [_binary("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--tuples-only", "--no-align"]
        command += ["--host=127.0.0.1", f"--port={self.port}", "--username=postgres", f"--dbname={database}"]
        given = {"PATH": os.environ["PATH"], "PGPASSWORD": self._password("postgres"), **(environ or {})}
        return _output("psql", command, sql, given)


def home(folder: Path) -> Path:
    """Return where the cluster of *folder* is: in it; as root in the home of the user postgres, else KeyError."""
    if not _is_root():
        return folder / "postgres"
    return Path(pwd.getpwnam("postgres").pw_dir) / f"authgate-stack-{_short_hash(folder)}"


def forget(folder: Path) -> None:
    """Delete the cluster of *folder*, if there is one, with all users, sessions and tasks."""
    with suppress(KeyError):  # without the user postgres root has no cluster
        delete(home(folder))


def _output(
    name: str, command: list[str], given: str = "", environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """Run *command*, 30 s at most, and return what it prints; *name* is what an error calls it."""
    try:
        ran = subprocess.run(
            command, input=given, env=environ, cwd=cwd, capture_output=True, text=True, timeout=_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        raise CannotStart(f"{name} has not ended within {_SECONDS} s") from None
    except subprocess.CalledProcessError as problem:
        raise CannotStart(f"{name} failed:\n{problem.stderr}") from None
    return ran.stdout


def _is_root() -> bool:
    return os.getuid() == 0


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
