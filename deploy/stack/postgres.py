"""Run PostgreSQL from Debian's packages on a cluster for the stack, with its three roles."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.processes import ROOT, STOP_SECONDS, CannotStart, Part, delete, load_or_create_secret, write_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS = 30  # how long initdb and each psql may take
ROLES = ("web", "tasks", "authgate")
DATABASE = "app"
_ROLES_SQL = ROOT / "deploy" / "stack" / "database" / "roles.sql"
_FIX = "apt-get install postgresql"


class Postgres(Part):
    """The server, and the DSN of each role. PostgreSQL refuses to run as root, so root starts it as user postgres."""

    stop_signal = signal.SIGINT  # its fast shutdown: it closes connections first

    def __init__(self, folder: Path, number: int, *, logs: Path) -> None:
        """Keep the passwords in *folder*, and the cluster in `home(folder)`."""
        self._passwords = folder / "passwords"
        self._passwords.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._home = home(folder)
        except KeyError:
            raise CannotStart(f"PostgreSQL is missing: {_FIX}") from None
        self.cluster = self._home / "cluster"
        # No Unix socket: nothing uses it, and its path could exceed the limit of 107 bytes.
        settings = {"port": number, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = _as_postgres([_binary("postgres"), "-D", str(self.cluster), *options])
        super().__init__("postgres", command, number, {}, logs=logs)

    def dsn(self, role: str) -> str:
        """Return the DSN of the database for *role*; "postgres" is the superuser."""
        return f"postgresql://{role}:{self._password(role)}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        """Start the server. Create the cluster, the database and the roles if they are missing."""
        _wait_for_earlier_server(self._home)
        if not self.cluster.exists():
            self._make_cluster()
        elif not (self._passwords / "postgres").exists():
            raise CannotStart(f"{self.cluster} has a database, but its password is lost. Delete it: make stack-forget")
        super().start()
        is_missing = f"WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}')"
        self._psql("postgres", f"SELECT 'CREATE DATABASE {DATABASE}' {is_missing} \\gexec")
        passwords = {f"{role.upper()}_PASSWORD": self._password(role) for role in ROLES}
        self._psql(DATABASE, _ROLES_SQL.read_text(), passwords)

    def is_ready(self) -> bool:
        """Whether this server accepts connections. It reads the answer from the cluster, not from the port.

        Another program that took the port could ask psql for the superuser's password, and get it.
        """
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def execute(self, sql: str) -> str:
        """Run *sql* as the superuser and return the rows, one a line, with columns separated by |."""
        return self._psql(DATABASE, sql)

    def forget(self) -> None:
        """Delete the cluster, with all users, sessions and tasks."""
        _delete_home(self._home)

    def _password(self, role: str) -> str:
        return load_or_create_secret(self._passwords / role)

    def _make_cluster(self) -> None:
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._home / "unfinished"  # renamed when complete: an interrupted initdb leaves no cluster
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
        complete = {"PATH": os.environ["PATH"], "PGPASSWORD": self._password("postgres"), **(environ or {})}
        return _output("psql", command, sql, complete)


def home(folder: Path) -> Path:
    """Return the parent folder of the cluster for *folder*: inside it, or in the home of user postgres for root.

    Raise KeyError if there is no such user.
    """
    if not _is_root():
        return folder / "postgres"
    return Path(pwd.getpwnam("postgres").pw_dir) / f"authgate-stack-{_short_hash(folder)}"


def forget(folder: Path) -> None:
    """Delete the cluster for *folder*, if there is one, with all users, sessions and tasks."""
    with suppress(KeyError):  # without user postgres, root has no cluster
        _delete_home(home(folder))


def _delete_home(folder: Path) -> None:
    _wait_for_earlier_server(folder)
    delete(folder)


def _wait_for_earlier_server(folder: Path) -> None:
    """Wait until no server runs on the cluster in *folder*: one whose parent was killed needs a moment to shut down."""
    deadline = time.monotonic() + STOP_SECONDS
    while pid := _server(folder / "cluster"):
        if time.monotonic() > deadline:
            raise CannotStart(f"PostgreSQL of an earlier run still uses {folder}. Stop it first: kill -INT {pid}")
        time.sleep(0.1)


def _server(cluster: Path) -> str:
    """Return the process id of the server that runs on *cluster*, or "". Without /proc it is always ""."""
    with suppress(OSError):
        pid = (cluster / "postmaster.pid").read_text().partition("\n")[0]
        if str(cluster) in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):  # the file outlives a crash
            return pid
    return ""


def _output(
    name: str, command: list[str], text: str = "", environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """Run *command* for at most 30 s with *text* as its input and return its output. Errors call it *name*."""
    try:
        ran = subprocess.run(
            command, input=text, env=environ, cwd=cwd, capture_output=True, text=True, timeout=_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        raise CannotStart(f"{name} did not finish within {_SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        raise CannotStart(f"{name} failed:\n{error.stderr}") from None
    return ran.stdout


def _is_root() -> bool:
    return os.getuid() == 0


def _short_hash(folder: Path) -> str:
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]


def _binary(name: str) -> str:
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    if versions:
        return str(versions[-1])
    path = shutil.which(name)
    if not path:
        raise CannotStart(f"{name} is missing: {_FIX}")
    return path


def _as_postgres(command: list[str]) -> list[str]:
    """Return *command*, run as user postgres if this process is root: PostgreSQL refuses to run as root."""
    if not _is_root():
        return command
    return ["setpriv", "--pdeathsig=keep", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
