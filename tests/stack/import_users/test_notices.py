"""Nothing that Better Auth has a place for is lost silently: a notice names the column, the loss and the option."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.old_users import Database, hashed, report

if TYPE_CHECKING:
    from pathlib import Path

# Tables as frameworks and tutorials make them, and the options that the notices must advise.
TABLES = {
    "fastapi-users": (
        "is_active boolean, is_superuser boolean, is_verified boolean",
        "--active-column is_active --admin-column is_superuser --verified-column is_verified",
    ),
    "Django": (
        (
            "last_login timestamptz, is_superuser boolean, username text, first_name text, last_name text, "
            "is_staff boolean, is_active boolean, date_joined timestamptz"
        ),
        "--name-column import_name --created-column date_joined --active-column is_active --admin-column is_superuser",
    ),
    "Flask-Security": (
        "username text, active boolean, fs_uniquifier text, confirmed_at timestamp, current_login_ip text",
        "--name-column username --verified-column confirmed_at --active-column active",
    ),
    "Flask tutorial": (
        "admin boolean, registered_on timestamp, confirmed boolean, confirmed_on timestamp",
        "--created-column registered_on --verified-column confirmed --admin-column admin",
    ),
    "SQLAlchemy tutorial": (
        "name text, fullname text, nickname text, created_at timestamp, updated_at timestamp, disabled boolean",
        "--name-column name --created-column created_at --banned-column disabled",
    ),
    "camel case": (
        (
            '"displayName" text, "createdAt" timestamptz, "emailVerified" boolean, "isAdmin" boolean, "photoURL" text, '
            '"deletedAt" timestamptz'
        ),
        (
            "--name-column displayName --created-column createdAt --verified-column emailVerified --admin-column "
            "isAdmin --image-column photoURL --banned-column deletedAt"
        ),
    ),
    "bans": (
        (
            "full_name varchar(80), signup_date date, avatar_url text, email_verified_at timestamptz, banned_until "
            "timestamptz, ban_reason text"
        ),
        (
            "--name-column full_name --created-column signup_date --image-column avatar_url --banned-column "
            "banned_until --ban-expires-column banned_until --ban-reason-column ban_reason "
            "--verified-column email_verified_at"
        ),
    ),
    "other types": (
        "display_name text, role text, status text, joined bigint, picture text, is_confirmed text",
        (
            "--name-column display_name --admin-column import_admin --active-column import_active --created-column "
            "import_created --image-column picture --verified-column import_verified"
        ),
    ),
    "numbers for roles": ("role integer, status smallint", "--admin-column import_admin --active-column import_active"),
}


def advised(output: str) -> dict[str, str]:
    """Return the first column that each notice advises, by option."""
    found = re.findall(r"(?:Add|Use) (--[a-z-]+-column) (\S+?)\.?(?= |$)", output, re.MULTILINE)
    assert len(dict(found)) == len(found)
    return dict(found)


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_named_with_its_option_and_following_the_advice_ends_the_notices(
    db: Database, table: str
) -> None:
    columns, expected = TABLES[table]
    db.create(more=f", {columns}")
    db.execute(f"INSERT INTO users (id, email, hashed_password) VALUES (1, 'ada@example.com', '{hashed()}');")
    ran = db.run()
    options = advised(ran.output)
    words = shlex.split(expected)
    assert options == dict(zip(words[::2], words[1::2], strict=True))
    assert ran.output.count("was not given: ") == len(options)
    views = re.findall(r"use --from (\w+)\. .*: (CREATE VIEW .*;)$", ran.output, re.MULTILINE)
    for _, view in views:
        db.execute(view)
    table_name = views[0][0] if views else "users"
    again = db.run(*(word for pair in options.items() for word in pair), table=table_name)
    assert again.code in {0, 3}, again.errors
    assert "was not given" not in again.output


def test_columns_without_a_notice_of_their_own_are_listed(db: Database) -> None:
    db.create(more=", phone text, google_id text, created_by text")
    output = db.run().output
    assert "users has the columns phone, google_id, created_by, which the import does not read." in output
    assert "users has a column google_id, but links to accounts of other providers are not imported." in output
    assert "was not given" not in output


def test_half_a_name_is_noticed(db: Database) -> None:
    db.create(more=', "First Name" text, last_name text')
    db.add(1, "ada@example.com", hashed(), "Ada", "Lovelace")
    db.add(2, "bob@example.com", hashed(), "", "Bobson")
    ran = db.run("--name-column", "First Name")
    assert "users has the columns First Name, last_name, but --name-column names only First Name." in ran.output
    ((view, create),) = re.findall(r"use --from (\w+)\. .*: (CREATE VIEW .*;)$", ran.output, re.MULTILINE)
    db.execute(create)
    assert db.run("--apply", "--name-column", "import_name", table=view).code == 0
    assert {row["name"] for row in db.users().values()} == {"Ada Lovelace", "Bobson"}


@pytest.mark.parametrize("column", ["disabled", "is_banned", "deleted_at"])
def test_a_column_of_those_who_are_not_active_is_refused_as_the_active_ones(db: Database, column: str) -> None:
    db.create((1, "ada@example.com", hashed(), False), more=f", {column} boolean")
    ran = db.run("--apply", "--active-column", column)
    assert (ran.code, db.users()) == (1, {})
    assert f'--active-column: "{column}" seems to say who is not active. Name it with --banned-column' in ran.errors


@pytest.mark.parametrize("column", ["is_active", "enabled"])
def test_a_column_of_the_active_ones_is_refused_as_the_banned_ones(db: Database, column: str) -> None:
    db.create((1, "ada@example.com", hashed(), True), more=f", {column} boolean")
    ran = db.run("--apply", "--banned-column", column)
    assert (ran.code, db.users()) == (1, {})
    assert f'--banned-column: "{column}" seems to say who is active. Name it with --active-column' in ran.errors


def test_bans_and_pictures_are_imported(db: Database) -> None:
    yes, no = True, False
    future, past = datetime(2100, 1, 1, tzinfo=UTC), datetime.now(UTC) - timedelta(days=1)
    db.create(more=", is_active boolean, banned_until timestamptz, why text, picture text")
    db.add(1, "free@example.com", hashed(), yes, None, "old reason", "https://example.com/1.png")
    db.add(2, "banned@example.com", hashed(), yes, future, "spam", "")
    db.add(3, "over@example.com", hashed(), yes, past, "spam", None)
    db.add(4, "gone@example.com", hashed(), no, future, "left", None)
    options = ("--active-column", "is_active", "--banned-column", "banned_until", "--ban-expires-column")
    ran = db.apply(*options, "banned_until", "--ban-reason-column", "why", "--image-column", "picture")
    assert {
        key: (row["banned"], row["banReason"], row["banExpires"], row["image"]) for key, row in db.users().items()
    } == {
        "1": (False, None, None, "https://example.com/1.png"),
        "2": (True, "spam", future, None),
        "3": (False, None, None, None),
        "4": (True, "left", None, None),
    }
    assert "2 imported as banned" in ran.output


def test_a_ban_without_an_end_has_none(db: Database) -> None:
    db.create(more=", disabled integer, until timestamptz")
    db.execute(
        f"INSERT INTO users VALUES (1, 'a@example.com', '{hashed()}', 1, NULL), "
        f"(2, 'b@example.com', '{hashed()}', NULL, NULL), (3, 'c@example.com', '{hashed()}', 1, 'infinity');"
    )
    db.apply("--banned-column", "disabled", "--ban-expires-column", "until")
    assert {key: (row["banned"], row["banExpires"]) for key, row in db.users().items()} == {
        "1": (True, None),
        "2": (False, None),
        "3": (True, None),
    }


def test_values_that_do_not_fit_are_reported(db: Database, tmp_path: Path) -> None:
    db.create(more=", full_name text, picture text, joined timestamptz")
    db.execute(
        "INSERT INTO users VALUES (1, 'a@example.com', '', repeat('a', 300), repeat('x', 2001), 'infinity'), "
        f"(2, 'b@example.com', '{hashed()}', repeat('a', 255), repeat('x', 2000), NULL);"
    )
    options = ("--name-column", "full_name", "--image-column", "picture", "--created-column", "joined")
    db.apply(*options, "--report", tmp_path / "r")
    (row,) = report(tmp_path / "r")
    assert row["id"] == "1"
    for part in ("the old table has no password", "name was cut to 255", "longer than 2000", "time cannot be stored"):
        assert part in row["reason"]
    users = db.users()
    assert (len(users["1"]["name"]), users["1"]["image"], len(users["2"]["image"])) == (255, None, 2000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ban-expires-column", "x"), "--ban-expires-column needs --banned-column"),
        (("--ban-reason-column", "x"), "--ban-reason-column needs --banned-column or --active-column"),
    ],
)
def test_details_of_a_ban_need_the_ban(db: Database, arguments: tuple[str, str], message: str) -> None:
    ran = db.run(*arguments)
    assert ran.code == 2
    assert message in ran.errors


def test_a_picture_needs_its_column_in_better_auth(db: Database) -> None:
    db.create(more=", picture text")
    db.execute('ALTER TABLE "user" DROP COLUMN image;')
    ran = db.run("--image-column", "picture")
    assert ran.code == 1
    assert '--image-column needs image in "public"."user": run Better Auth\'s migration, or leave out' in ran.errors
    assert db.apply().code == 0
