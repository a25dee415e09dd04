"""Run the commands of docs/importing-users.md as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.documented import blocks, code
from tests.support.old_users import Database, command, database, hashed, report
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import Postgres

PAGE = "docs/importing-users.md"
TEXT = (ROOT / PAGE).read_text()
DUPLICATES, OWNERS, WITHOUT_OWNER, UNDO = code(PAGE, "sql")
(BACKUP,) = [block for block in code(PAGE) if block.startswith("pg_dump")]


@pytest.fixture
def db(server: Postgres) -> Iterator[Database]:
    """The database of the page's example, with tasks of the old users."""
    with database(server) as made:
        made.create(more=", is_active boolean, is_superuser boolean, is_verified boolean")
        made.execute(
            f"INSERT INTO users VALUES (1, 'ada@example.com', '{hashed()}', true, true, true),"
            f"(2, 'bob@example.com', '{hashed()}', false, false, true),"
            f"(3, 'cy@example.com', '{hashed()}', true, false, false),"
            "(4, 'dee@example.com', '$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA', true, false, false),"
            f"(5, 'nobody', '{hashed()}', true, false, false);"
            "ALTER TABLE users ADD PRIMARY KEY (id);"
            "CREATE TABLE tasks (id int PRIMARY KEY, owner_id int NOT NULL REFERENCES users);"
            "INSERT INTO tasks VALUES (100, 1), (101, 3);"
        )
        yield made


def shell(db: Database, folder: Path, script: str, code: int = 0) -> str:
    if not (folder / "deploy").exists():
        (folder / "deploy").symlink_to(ROOT / "deploy")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environ = {"PATH": path, "DATABASE_URL": db.dsn, "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        ["bash", "-euc", script], cwd=folder, env=environ, capture_output=True, text=True, timeout=50, check=False
    )
    assert ran.returncode == code, f"{script}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def test_the_page_leads_from_the_backup_to_the_import_and_back(db: Database, tmp_path: Path) -> None:
    shell(db, tmp_path, BACKUP)
    before = db.execute('SELECT * FROM "user"'), db.execute("SELECT * FROM users")
    (dry_run,) = blocks(PAGE, "Dry run")
    output = shell(db, tmp_path, dry_run, code=3)
    assert f"```\n{output}```" in TEXT
    assert len(report(tmp_path / "report.csv")) == 2
    assert db.users() == {}
    (apply,) = blocks(PAGE, "Apply")
    assert shell(db, tmp_path, apply, code=3).endswith("Written.\n")
    assert {key: (row["role"], row["banned"]) for key, row in db.users().items()} == {
        "1": ("admin", False),
        "2": ("user", True),
        "3": ("user", False),
        "4": ("user", False),
    }
    (restore,) = blocks(PAGE, "Undo")
    shell(db, tmp_path, restore)
    assert (db.execute('SELECT * FROM "user"'), db.execute("SELECT * FROM users")) == before
    assert shell(db, tmp_path, dry_run, code=3) == output


def test_tasks_keep_their_owners(db: Database) -> None:
    db.apply()
    db.execute(OWNERS)
    owners = db.execute('SELECT t.id, u.email FROM tasks t JOIN "user" u ON u.id = t.owner_id ORDER BY t.id')
    assert [tuple(row.values()) for row in owners] == [(100, "ada@example.com"), (101, "cy@example.com")]


def test_the_tasks_of_a_duplicate_are_moved_to_the_id_that_stays(db: Database) -> None:
    db.execute("UPDATE users SET email = 'ADA@example.com' WHERE id = 2; INSERT INTO tasks VALUES (102, 2);")
    ran = db.run()
    assert "its e-mail address belongs to several old users: 1, 2" in ran.output
    assert "Nobody can sign in with the id of a skipped user." in ran.output
    db.execute(DUPLICATES)
    db.apply()
    assert set(db.users()) == {"1", "3", "4"}
    db.execute(OWNERS)
    assert db.execute("SELECT owner_id FROM tasks WHERE id = 102") == [{"owner_id": "1"}]
    assert db.execute(WITHOUT_OWNER.rstrip(";\n")) == []


def test_the_tasks_of_skipped_users_are_found(db: Database) -> None:
    db.execute("INSERT INTO tasks VALUES (102, 5), (103, 5);")
    db.apply()
    db.execute(OWNERS)
    assert db.execute(WITHOUT_OWNER.rstrip(";\n")) == [{"owner_id": "5", "count": 2}]


def test_the_notice_on_the_page_is_the_printed_one(db: Database) -> None:
    db.execute("ALTER TABLE users ADD signup_date date;")
    (notice,) = re.findall(r"^Notice: .*$", TEXT, re.MULTILINE)
    assert notice in db.run().output.splitlines()


def test_undo_removes_only_imported_users(db: Database) -> None:
    db.sign_up("own", "own@example.com")
    before = db.dump()
    db.apply()
    db.execute(UNDO)
    assert db.dump() == before


def test_every_option_is_on_the_page() -> None:
    for action in command._parser()._actions:
        for option in action.option_strings:
            assert f"`{option}`" in TEXT or option in {"-h", "--table"} or f"`{option}" in TEXT, option


def test_the_page_has_the_example_stacks_bound_of_passwords() -> None:
    source = (ROOT / "deploy" / "stack" / "web" / "lib" / "password-length.ts").read_text()
    (bound,) = re.findall(r"max: (\d+)", source)
    assert f"maxPasswordLength: {bound}" in TEXT
    assert f"{bound} characters is passlib's limit" in TEXT
