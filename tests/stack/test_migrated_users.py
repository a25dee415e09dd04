"""Users of the old service sign in with their old passwords and keep their ids."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

from passlib.hash import bcrypt, bcrypt_sha256

from tests.support.chromium import visitor
from tests.support.documented import code
from tests.support.processes import ROOT
from tests.support.stack import Client, new_email

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from deploy.stack.run import Stack

OLD_PASSWORD = "the-old-pässword"
LONG = OLD_PASSWORD + "x" * 156  # 172 characters. bcrypt reads 72 bytes of it, bcrypt_sha256 all
LONGEST = "ü" * 4096  # passlib accepts no longer one
LONG_BCRYPT = bcrypt.using(rounds=4).hash(LONG.encode()[:72])  # which versions of bcrypt before 5 do themselves
HASHES = {
    "bcrypt": bcrypt.using(rounds=4, ident="2b").hash(OLD_PASSWORD),
    "bcrypt-2y": bcrypt.using(rounds=4, ident="2y").hash(OLD_PASSWORD),
    "bcrypt-2a": bcrypt.using(rounds=4, ident="2a").hash(OLD_PASSWORD),
    "bcrypt-sha256-2": bcrypt_sha256.using(rounds=5, version=2).hash(OLD_PASSWORD),
    "bcrypt-sha256-1": bcrypt_sha256.using(rounds=5, version=1).hash(OLD_PASSWORD),
}


def imported(stack: Stack, table: str, ids: str, rows: dict[str, tuple[str, str]]) -> None:
    """Make an old table with *rows*, e-mail and hash by id, and import it."""
    values = ", ".join(f"('{old_id}', '{email}', '{digest}')" for old_id, (email, digest) in rows.items())
    stack.postgres.execute(
        f"CREATE SCHEMA IF NOT EXISTS old; CREATE TABLE old.{table} (id {ids} PRIMARY KEY, email text, "
        f"hashed_password text); INSERT INTO old.{table} VALUES {values}"
    )
    command = [sys.executable, ROOT / "deploy" / "stack" / "database" / "import_users.py", "--from", f"old.{table}"]
    environ = {"PATH": os.environ["PATH"], "DATABASE_URL": stack.postgres.dsn("postgres")}
    ran = subprocess.run([*command, "--apply"], env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_only_the_old_password_signs_in_with_every_kind_of_hash(stack: Stack) -> None:
    rows = {str(number): (new_email(kind), HASHES[kind]) for number, kind in enumerate(HASHES, start=17)}
    long = {"97": LONGEST, "98": LONG, "99": LONG}
    rows["97"] = (new_email("longest"), bcrypt_sha256.using(rounds=5).hash(LONGEST))
    rows["98"] = (new_email("long"), LONG_BCRYPT)
    rows["99"] = (new_email("long"), bcrypt_sha256.using(rounds=5).hash(LONG))
    imported(stack, "by_number", "integer", rows)
    for old_id, (email, _) in rows.items():
        password = long.get(old_id, OLD_PASSWORD)
        all_counts = old_id != "98"
        for wrong in ("", password.upper(), *((password + "x", password[:-1]) if all_counts else ())):
            refused = Client(stack).sign_in(email, wrong)
            assert refused.status in {400, 401}, (email, wrong)
        person = Client(stack)
        assert person.sign_in(email, password).status == 200, email
        assert person.ask("/api/v1/auth/me").json["id"] == old_id
        assert person.ask("/api/v1/tasks", body={"title": "mine, as before"}).status == 201
    owners = stack.postgres.execute("SELECT user_id FROM tasks.task WHERE title = 'mine, as before' ORDER BY user_id")
    assert owners.split() == sorted(rows)


def test_an_old_user_signs_in_with_a_browser(chromium: Browser, stack: Stack, edge: str) -> None:
    email, old_id, long_email = new_email("old"), str(uuid.uuid4()), new_email("long")
    rows = {old_id: (email, HASHES["bcrypt"]), str(uuid.uuid4()): (long_email, LONG_BCRYPT)}
    imported(stack, f"by_uuid_{edge}", "uuid", rows)
    with visitor(chromium, stack.url if edge == "nginx" else stack.traefik_url) as person:
        person.sign_in(email, OLD_PASSWORD)
        person.add_task("still here")
        assert person.page.evaluate("fetch('/api/v1/auth/me').then((answer) => answer.json())")["id"] == old_id
        person.sign_out()
        person.sign_in(long_email, LONG)


def test_a_new_password_of_an_old_user_is_not_hashed_with_bcrypt(stack: Stack) -> None:
    email = new_email("changed")
    imported(stack, "who_change", "integer", {"1001": (email, HASHES["bcrypt"])})
    person = Client(stack)
    assert person.sign_in(email, OLD_PASSWORD).status == 200
    change = {"currentPassword": OLD_PASSWORD, "newPassword": "a-quite-new-password"}
    assert person.ask("/api/auth/change-password", body=change).status == 200
    stored = stack.postgres.execute("""SELECT password FROM account WHERE "userId" = '1001'""")
    assert not stored.startswith("$2")
    assert Client(stack).sign_in(email, OLD_PASSWORD).status == 401
    assert Client(stack).sign_in(email, "a-quite-new-password").status == 200


def test_the_documented_command_runs_better_auths_migration(stack: Stack) -> None:
    (migrate,) = [block for block in code("docs/importing-users.md") if "migrate.mjs" in block]
    migrate = migrate.removeprefix("deploy/stack/build-web\n")  # it could replace files of the running server
    environ = os.environ | stack.parts["web"].environ | {"WEB_DATABASE_URL": stack.postgres.dsn("web")}
    ran = subprocess.run(["bash", "-euc", migrate], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "Better Auth: 0 tables created, 0 tables extended.\n"), ran.stderr
