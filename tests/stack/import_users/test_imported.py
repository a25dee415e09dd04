"""Old users are imported once, with the right values, and the numbers of the summary add up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import browser
from tests.support.better_auth import better_auth
from tests.support.old_users import (
    DRY_RUN,
    Database,
    database,
    hashed,
    hashed_sha256,
    report,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.postgres import Postgres

ADA, BOB = UUID("0F0E0D0C-0B0A-4908-8706-050403020100"), UUID(int=7)


# Values.


def test_integer_ids_become_text_and_hashes_are_unchanged(db: Database) -> None:
    db.create((17, " Ada@Example.COM ", hashed()), (18, "bob@example.com", hashed_sha256()))
    ran = db.apply()
    assert ran.code == 0
    assert {key: (row["email"], row["name"]) for key, row in db.users().items()} == {
        "17": ("ada@example.com", "ada"),
        "18": ("bob@example.com", "bob"),
    }
    assert db.passwords() == {"17": hashed(), "18": hashed_sha256()}
    accounts = db.execute('SELECT * FROM account ORDER BY "accountId"')
    assert [(row["accountId"], row["userId"], row["providerId"]) for row in accounts] == [
        ("17", "17", "credential"),
        ("18", "18", "credential"),
    ]
    assert len({row["id"] for row in accounts} | {"17", "18"}) == 4


def test_uuids_are_kept_in_their_canonical_form(db: Database) -> None:
    db.create((ADA, "ada@example.com", hashed()), id_type="uuid")
    assert db.apply().code == 0
    assert list(db.passwords()) == list(db.users()) == ["0f0e0d0c-0b0a-4908-8706-050403020100"]


@pytest.mark.parametrize("id_type", ["uuid", "text"])
def test_uuids_are_kept_if_better_auth_has_uuids_too(uuid_db: Database, id_type: str) -> None:
    rows = [(id_ if id_type == "uuid" else str(id_).upper(), f"{id_.hex}@example.com", hashed()) for id_ in (ADA, BOB)]
    uuid_db.create(*rows, id_type=id_type)
    assert uuid_db.apply().code == 0
    assert set(uuid_db.users()) == set(uuid_db.passwords()) == {str(ADA), str(BOB)}
    assert uuid_db.run().number("already there") == 2


def test_an_id_that_is_not_a_uuid_is_skipped_if_better_auth_has_uuids(uuid_db: Database, tmp_path: Path) -> None:
    uuid_db.create(("17", "ada@example.com", hashed()), id_type="text")
    assert uuid_db.run("--report", tmp_path / "r").code == 3
    assert "UUID" in report(tmp_path / "r")[0]["reason"]


def test_integer_ids_are_refused_if_better_auth_has_uuids(uuid_db: Database) -> None:
    uuid_db.create((17, "ada@example.com", hashed()))
    ran = uuid_db.run()
    assert ran.code == 1
    assert "the old ids have type integer and cannot be kept, because Better Auth's ids are uuid" in ran.errors


MORE = ", full_name text, joined {time}, confirmed {confirmed}, is_active {flag}, is_superuser {flag}"
OPTIONS = ("--name-column", "full_name", "--created-column", "joined", "--verified-column", "confirmed")
OPTIONS += ("--active-column", "is_active", "--admin-column", "is_superuser")


def test_name_time_and_verification_are_imported(db: Database) -> None:
    db.create(more=MORE.format(time="timestamp", confirmed="boolean", flag="boolean"))
    yes = True
    db.add(1, "ada@example.com", hashed(), "Ada \u200dL\x07", datetime(2020, 1, 2, 3), yes, yes, yes)  # noqa: DTZ001
    db.add(2, "bob@example.com", hashed(), " ", None, None, yes, None)
    ran = db.apply(*OPTIONS)
    ada, bob = db.users()["1"], db.users()["2"]
    assert (ada["name"], ada["createdAt"], ada["emailVerified"]) == (
        "Ada \u200dL",
        datetime(2020, 1, 2, 3, tzinfo=UTC),
        True,
    )
    assert (bob["name"], bob["emailVerified"]) == ("bob", False)
    assert bob["createdAt"] > datetime(2026, 1, 1, tzinfo=UTC)
    assert (ada["role"], bob["role"], ada["banned"], bob["banned"]) == ("admin", "user", False, False)
    assert "0 imported as banned (deactivated), 1 as administrator" in ran.output
    assert "Notice" not in ran.output


def test_an_inactive_user_is_imported_as_banned_and_null_counts_as_inactive(db: Database) -> None:
    db.create(more=MORE.format(time="date", confirmed="timestamptz", flag="integer"))
    for number, active in ((1, 1), (2, 0), (3, None)):
        db.add(number, f"{number}@example.com", hashed(), "x", None, datetime.now(UTC), active, 0)
    db.apply(*OPTIONS)
    assert {key: row["banned"] for key, row in db.users().items()} == {"1": False, "2": True, "3": True}
    assert db.users()["2"]["banReason"] == "Deactivated in the old system"
    assert db.users()["1"]["emailVerified"]


def test_times_out_of_range_become_now(db: Database) -> None:
    db.create(more=", joined timestamptz")
    db.execute(
        "INSERT INTO users VALUES (1, 'a@example.com', '', 'infinity'), (2, 'b@example.com', '', '0099-01-01 BC');"
    )
    db.apply("--created-column", "joined")
    assert all(row["createdAt"].year < 9000 for row in db.users().values())


def test_hashes_stored_as_bytes_are_imported(db: Database) -> None:
    db.execute("CREATE TABLE users (id int, email text, hashed_password bytea);")
    db.add(1, "a@example.com", hashed().encode())
    db.add(2, "b@example.com", b"\xff\x00")
    assert db.apply().code == 3
    assert db.passwords() == {"1": hashed()}


# A dry run and later runs.


def test_a_dry_run_writes_nothing_and_prints_the_result_of_an_import(db: Database) -> None:
    db.create((1, "ada@example.com", hashed()), (2, "x", hashed()))
    before = db.dump()
    ran = db.run()
    assert (ran.code, ran.last_line, db.dump()) == (3, DRY_RUN, before)
    assert ran.number("would be imported with their password") == 1
    after = db.apply()
    assert after.output.replace("imported with ", "would be imported with ").count("would be imported with their") == 1


def test_a_second_run_imports_nothing_and_overwrites_nothing(db: Database) -> None:
    db.create((1, "ada@example.com", hashed()), (2, "bob@example.com", ""), (3, "cy@example.com", hashed()))
    assert db.apply().code == 3
    db.execute("UPDATE account SET password = 'changed' WHERE \"userId\" = '1';")
    db.execute("UPDATE \"user\" SET email = 'moved@example.com', name = 'Cy' WHERE id = '3';")
    before = db.dump()
    ran = db.apply()
    assert (ran.code, ran.number("already there"), db.dump()) == (0, 3, before)


def test_the_next_run_imports_new_users_of_the_old_table(db: Database) -> None:
    db.create((1, "ada@example.com", hashed()))
    db.apply()
    db.add(2, "bob@example.com", hashed())
    db.add(3, "ADA@example.com", hashed())
    ran = db.apply()
    assert (ran.number("already there"), ran.number("with their password"), ran.number("skipped, not")) == (1, 1, 1)
    assert set(db.users()) == {"1", "2"}


def test_a_user_deleted_in_better_auth_is_not_imported_again(db: Database) -> None:
    db.create((1, "ada@example.com", hashed()))
    db.apply()
    db.execute('DELETE FROM "user";')
    ran = db.apply()
    assert ran.code == 3
    assert "it was imported before and then deleted in Better Auth" in ran.output
    assert db.users() == {}


def test_a_user_with_the_same_id_and_address_is_already_imported(db: Database) -> None:
    db.sign_up("1", "ada@example.com")
    db.create((1, "Ada@example.com", hashed()))
    ran = db.apply()
    assert (ran.code, ran.number("already there"), db.passwords()) == (0, 1, {"1": "new"})


def test_a_user_deactivated_after_the_import_is_reported(db: Database) -> None:
    db.create((1, "ada@example.com", hashed(), True), more=", is_active boolean")
    db.apply("--active-column", "is_active")
    db.execute("UPDATE users SET is_active = false;")
    output = db.apply("--active-column", "is_active").output
    assert "already there: 1 ada@example.com: deactivated in the old table, but not banned in Better Auth" in output
    assert db.users()["1"]["banned"] is False


# With Better Auth.


def test_imported_users_can_sign_in_unless_they_were_deactivated(db: Database, tmp_path: Path) -> None:
    with better_auth(tmp_path, postgres=db.dsn) as site:
        site.sign_up("new@example.com")
        (known,) = db.passwords().values()
        db.create(more=", is_active boolean")
        for user_id, email, active in (
            (17, "Ada@Example.com", 1),
            (18, "bob@example.com", 0),
            (19, "NEW@example.com", 1),
        ):
            db.add(user_id, email, known, bool(active))
        assert db.apply("--active-column", "is_active").code == 3
        answer = site.ask("/sign-in/email", body={"email": "ada@example.com", "password": browser.PASSWORD})
        assert (answer.status, answer.json["user"]["id"], answer.json["user"]["name"]) == (200, "17", "ada")
        banned = site.ask("/sign-in/email", body={"email": "bob@example.com", "password": browser.PASSWORD})
        assert (banned.status, banned.json["code"]) == (403, "BANNED_USER")


# For any old table.

IDS = st.sampled_from(["1", "2", "3", "A", "a", "", " x", "in better auth", None])
EMAILS = st.sampled_from(["a@x.org", "A@X.ORG", " b@x.org", "c@x.org", "d@x.org", "nobody", "", None])
HASHES = st.sampled_from([hashed(), hashed_sha256(), "", None, "$argon2id$x", "plain"])


@pytest.fixture(scope="module")
def shared(server: Postgres) -> Iterator[Database]:
    with database(server) as made:
        made.create(id_type="text")
        yield made


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(IDS, EMAILS, HASHES), max_size=8))
def test_for_any_table_the_numbers_add_up_and_a_second_run_imports_nothing(shared: Database, rows: list[Any]) -> None:
    shared.execute('DELETE FROM users; DELETE FROM "user"; DROP TABLE IF EXISTS imported_user;')
    shared.sign_up("in better auth", "d@x.org")
    columns = [[row[place] for row in rows] for place in range(3)]
    shared.execute("INSERT INTO users SELECT * FROM unnest($1::text[], $2::text[], $3::text[])", *columns)
    dry, wet = shared.run(), shared.apply()
    assert dry.output.replace("would be ", "").splitlines()[:-1] == wet.output.splitlines()[:-1]
    imported = wet.number("with their password") + wet.number("without a password")
    parts = imported + wet.number("already there") + wet.number("skipped, not imported")
    assert parts == len(rows)
    assert len(shared.users()) == imported + 1
    before = shared.dump()
    again = shared.apply()
    assert again.number("with their password") + again.number("without a password") == 0
    assert again.number("already there") >= imported
    assert shared.dump() == before
