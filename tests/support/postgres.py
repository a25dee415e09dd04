"""A real PostgreSQL of Debian's packages on loopback with Better Auth's tables, and PgBouncer."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from tests.support.processes import free_port, program, wait_for_port
from tests.support.server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.certificates import Pair

SUPERUSER, PASSWORD = "postgres", "a-superuser's-password"
# The account that AuthGate is given: it may read two tables and nothing else.
READER, READER_PASSWORD = "authgate", "password-canary"
_MEND = "apt-get install postgresql"

# Better Auth's tables for sessions and organizations, as compileMigrations() of 1.7 writes them.
_TABLES = """
CREATE TABLE "user" (
  "id" text NOT NULL PRIMARY KEY, "name" text NOT NULL, "email" text NOT NULL UNIQUE,
  "emailVerified" boolean NOT NULL, "image" text, "createdAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL, "role" text, "banned" boolean, "banReason" text,
  "banExpires" timestamptz);
CREATE TABLE "session" (
  "id" text NOT NULL PRIMARY KEY, "expiresAt" timestamptz NOT NULL, "token" text NOT NULL UNIQUE,
  "createdAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL, "updatedAt" timestamptz NOT NULL, "ipAddress" text,
  "userAgent" text, "userId" text NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE, "impersonatedBy" text,
  "activeOrganizationId" text);
CREATE TABLE "account" (
  "id" text NOT NULL PRIMARY KEY, "userId" text NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE, "password" text);
CREATE TABLE "organization" (
  "id" text NOT NULL PRIMARY KEY, "name" text NOT NULL, "slug" text NOT NULL UNIQUE, "logo" text,
  "createdAt" timestamptz NOT NULL, "metadata" text);
CREATE TABLE "member" (
  "id" text NOT NULL PRIMARY KEY,
  "organizationId" text NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "userId" text NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE, "role" text NOT NULL,
  "createdAt" timestamptz NOT NULL);
"""
_AUTH_JS_TABLES = """
CREATE TABLE users (
  id SERIAL PRIMARY KEY, name VARCHAR(255), email VARCHAR(255), "emailVerified" TIMESTAMPTZ, image TEXT);
CREATE TABLE sessions (
  id SERIAL PRIMARY KEY, "userId" INTEGER NOT NULL, expires TIMESTAMPTZ NOT NULL, "sessionToken" VARCHAR(255) NOT NULL);
CREATE TABLE verification_token (
  identifier TEXT NOT NULL, expires TIMESTAMPTZ NOT NULL, token TEXT NOT NULL, PRIMARY KEY (identifier, token));
"""


class Postgres(ServerProcess):
    """A running server. The tests have its superuser."""

    def dsn(self, user: str = SUPERUSER, password: str = PASSWORD, database: str = "postgres", query: str = "") -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}{f'?{query}' if query else ''}"

    def reader(self, database: str = "postgres", query: str = "") -> str:
        """Return the DSN of the account that may read the two tables."""
        return self.dsn(READER, READER_PASSWORD, database, query)

    def start(self) -> None:
        self.run(_as_postgres([str(_binary("postgres")), "-D", str(self.folder / "cluster"), *self._options]))
        wait_for_port(self.port, self.main, self.log)
        self.execute("SELECT 1")

    def execute(self, sql: str, *arguments: Any, database: str = "postgres") -> list[dict[str, Any]]:
        """Run *sql* as the superuser and return the rows."""

        async def run() -> list[dict[str, Any]]:
            connection = await _connected(self.dsn(database=database))
            try:
                if not arguments and ";" in sql:
                    await connection.execute(sql)
                    return []
                return [dict(row) for row in await connection.fetch(sql, *arguments)]
            finally:
                await connection.close()

        return _run(run())

    def create_better_auth(self, database: str = "postgres") -> None:
        """Make Better Auth's tables, and the account that may read two of them."""
        self.execute(_TABLES, database=database)
        self.grant('"session", "user"', database)

    def create_auth_js(self, database: str = "postgres") -> None:
        self.execute(_AUTH_JS_TABLES, database=database)
        self.grant("sessions, users", database)

    def grant(self, tables: str, database: str = "postgres") -> None:
        self.execute(f"GRANT SELECT ON {tables} TO {READER};", database=database)

    def add_user(self, user_id: str, database: str = "postgres", **columns: Any) -> None:
        row = {"id": user_id, "name": user_id.title(), "email": f"{user_id}@example.com", "emailVerified": True}
        self._insert("user", row | columns, database)

    def add_session(self, token: str, user_id: str, database: str = "postgres", **columns: Any) -> None:
        now = datetime.now(UTC)
        row = {"id": f"id-of-{token}", "token": token, "userId": user_id, "updatedAt": now}
        self._insert("session", row | {"expiresAt": now + timedelta(days=7)} | columns, database)

    def add_member(self, user_id: str, organization: str, role: str, **columns: Any) -> None:
        """Make *user_id* a member of *organization*, which is made if it does not exist."""
        now = datetime.now(UTC)
        add = 'INSERT INTO "organization" VALUES ($1, $1, $1, NULL, $2, NULL) ON CONFLICT DO NOTHING'
        self.execute(add, organization, now)
        row = {"id": f"{user_id}-in-{organization}", "organizationId": organization, "userId": user_id, "role": role}
        self._insert("member", row | {"createdAt": now} | columns, "postgres")

    def delete_session(self, token: str, database: str = "postgres") -> None:
        self.execute('DELETE FROM "session" WHERE "token" = $1', token, database=database)

    def _insert(self, table: str, row: Mapping[str, Any], database: str) -> None:
        names = ", ".join(f'"{name}"' for name in row)
        values = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        self.execute(f'INSERT INTO "{table}" ({names}) VALUES ({values})', *row.values(), database=database)


@contextmanager
def postgres(*, tls: Pair | None = None) -> Iterator[Postgres]:
    """Run a server on a new cluster, with the role `READER`, which has no rights yet. With *tls* it offers TLS."""
    initdb = _binary("initdb")
    # Not pytest's folder: only its owner may read it, and PostgreSQL refuses to run as root.
    with tempfile.TemporaryDirectory(prefix="authgate-postgres-") as made:
        folder = Path(made)
        cluster = folder / "cluster"
        _give_to_postgres(folder)
        password_file = folder / "password"
        password_file.write_text(PASSWORD)
        _give_to_postgres(password_file)
        command = [str(initdb), "-D", str(cluster), "-U", SUPERUSER, "--pwfile", str(password_file), "--no-sync"]
        command += ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run(_as_postgres(command), check=True, capture_output=True, cwd=folder)
        server = Postgres(folder, free_port(), [])
        server._options = [*_options(server.port, folder), *(_tls_options(folder, tls) if tls else ())]
        try:
            server.start()
            server.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{READER_PASSWORD}';")
            yield server
        finally:
            server.close(signal.SIGINT)  # which ends its connections


@contextmanager
def replica(primary: Postgres) -> Iterator[Postgres]:
    """Run a read-only replica that streams every change of *primary*."""
    with tempfile.TemporaryDirectory(prefix="authgate-replica-") as made:
        folder = Path(made)
        _give_to_postgres(folder)
        copy = [str(_binary("pg_basebackup")), "-D", str(folder / "cluster"), "-R", "-c", "fast", "--no-sync"]
        subprocess.run(
            _as_postgres([*copy, "-d", primary.dsn(database="replication")]),
            check=True,
            capture_output=True,
            cwd=folder,
        )
        server = Postgres(folder, free_port(), [])
        server._options = _options(server.port, folder)
        try:
            server.start()
            yield server
        finally:
            server.close(signal.SIGINT)


def _options(port: int, folder: Path) -> list[str]:
    settings = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": folder,
        "fsync": "off",
        "shared_buffers": "16MB",
        "max_connections": 40,
    }
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _tls_options(folder: Path, tls: Pair) -> list[str]:
    tls.write(folder)
    for name in ("tls.crt", "tls.key"):
        _give_to_postgres(folder / name)
        (folder / name).chmod(0o600)
    files = {"ssl_cert_file": folder / "tls.crt", "ssl_key_file": folder / "tls.key"}
    return ["-c", "ssl=on", *(part for name, value in files.items() for part in ("-c", f"{name}={value}"))]


class PgBouncer(ServerProcess):
    """A pooler in transaction mode before a server."""

    def start(self) -> None:
        command = [program("pgbouncer", fix="apt-get install pgbouncer"), str(self.folder / "pgbouncer.ini")]
        self.run(_as_postgres(command))
        wait_for_port(self.port, self.main, self.log)


@contextmanager
def pooler(
    before: Postgres, *, database: str = "postgres", server_connections: int = 2, settings: str = ""
) -> Iterator[PgBouncer]:
    """Run PgBouncer, for `READER`, before a server. *settings* are further lines of its configuration."""
    with tempfile.TemporaryDirectory(prefix="authgate-pgbouncer-") as made:
        folder, port = Path(made), free_port()
        target = f"host=127.0.0.1 port={before.port} user={READER} password={READER_PASSWORD} dbname={database}"
        (folder / "users.txt").write_text(f'"{READER}" "{READER_PASSWORD}"\n')
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n{database} = {target}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
            f"unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {folder / 'users.txt'}\n"
            f"pool_mode = transaction\ndefault_pool_size = {server_connections}\nserver_round_robin = 1\n{settings}"
        )
        for path in (folder, *folder.iterdir()):
            _give_to_postgres(path)
        server = PgBouncer(folder, port, [])
        try:
            server.start()
            yield server
        finally:
            server.close()


@contextmanager
def pgbouncer(before: Postgres, *, database: str = "postgres", server_connections: int = 2) -> Iterator[str]:
    """Run PgBouncer in transaction mode before a server; yield the DSN of `READER` through it."""
    with pooler(before, database=database, server_connections=server_connections) as server:
        yield f"postgresql://{READER}:{READER_PASSWORD}@127.0.0.1:{server.port}/{database}?pgbouncer=true"


def _binary(name: str) -> Path:
    binaries = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return binaries[-1] if binaries else Path(program(name, fix=_MEND))


def _as_postgres(command: list[str]) -> list[str]:
    """Return *command* run by the user postgres if we are root: PostgreSQL refuses root."""
    if os.getuid() != 0:
        return command
    return [shutil.which("setpriv") or "setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


def _give_to_postgres(path: Path) -> None:
    if os.getuid() == 0:
        entry = pwd.getpwnam("postgres")
        os.chown(path, entry.pw_uid, entry.pw_gid)


async def _connected(dsn: str) -> Any:
    while True:  # it listens before it accepts connections
        try:
            return await asyncpg.connect(dsn, ssl=False, timeout=10, statement_cache_size=0)
        except asyncpg.CannotConnectNowError:
            await asyncio.sleep(0.02)


def _run(coroutine: Any) -> Any:
    """Run *coroutine* in a thread with its own event loop: an asynchronous test already has a loop in this one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, coroutine).result()
