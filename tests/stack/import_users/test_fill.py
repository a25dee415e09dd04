"""--fill gives imported users what the import had no value for, and overwrites nothing that somebody changed since."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.better_auth import better_auth
from tests.support.old_users import DRY_RUN, Database, database, hashed, report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.postgres import Postgres

MORE = ", full_name text, joined timestamptz, picture text, confirmed boolean"
OPTIONS = ("--name-column", "full_name", "--created-column", "joined", "--image-column", "picture")
OPTIONS += ("--verified-column", "confirmed")
JOINED, PICTURE = datetime(2020, 1, 2, tzinfo=UTC), "https://example.com/ada.png"
FIELDS = ("name", "createdAt", "image", "emailVerified")
YES = True


def add(db: Database, number: int, name: str | None = "Ada Lovelace") -> None:
    db.add(number, f"{number}@example.com", hashed(), name, JOINED, PICTURE, YES)


def values(db: Database, user_id: str = "1") -> tuple[Any, ...]:
    row = db.users()[user_id]
    return tuple(row[field] for field in FIELDS)


FILLED = ("Ada Lovelace", JOINED, PICTURE, True)


def test_a_second_run_fills_what_the_first_left_empty_and_the_parts_add_up(db: Database, tmp_path: Path) -> None:
    db.create(more=MORE)
    add(db, 1)
    add(db, 2, None)
    db.apply()
    before = db.dump()
    add(db, 3)
    db.execute("INSERT INTO users (id, email) VALUES (4, 'nobody');")
    unchanged = db.dump()
    dry = db.run(*OPTIONS, "--fill", "--report", tmp_path / "r")
    assert (dry.last_line, db.dump()) == (DRY_RUN, unchanged)
    assert dry.number("already there, would be filled with") == 2
    assert (dry.number("name, createdAt, image, emailVerified"), dry.number("  createdAt, image, emailV")) == (1, 1)
    assert "  1 + 0 + 0 + 2 + 1 = 4" in dry.output
    rows = {row["id"]: (row["outcome"], row["reason"]) for row in report(tmp_path / "r")}
    assert rows["1"] == ("filled", "name, createdAt, image, emailVerified")
    wet = db.apply(*OPTIONS, "--fill")
    assert wet.number("already there, filled with") == 2
    assert values(db, "1") == values(db, "3") == FILLED
    assert values(db, "2") == ("2", *FILLED[1:])
    after = db.dump()
    assert after != before
    again = db.apply(*OPTIONS, "--fill")
    assert (again.number("already there, filled with"), db.dump()) == (0, after)


def test_without_the_option_nothing_is_filled_but_a_notice_counts_the_values(db: Database) -> None:
    db.create(more=MORE)
    add(db, 1)
    add(db, 2, None)
    db.apply()
    before = db.dump()
    ran = db.apply(*OPTIONS)
    assert db.dump() == before
    assert "2 createdAt, 2 emailVerified, 2 image, 1 name. --fill fills them" in ran.output


def test_columns_can_be_filled_one_after_the_other(db: Database) -> None:
    db.create(more=MORE)
    add(db, 1)
    db.apply()
    for place in range(0, len(OPTIONS), 2):
        ran = db.apply(*OPTIONS[place : place + 2], "--fill")
        assert ran.number("already there, filled with") == 1
    assert values(db) == FILLED


def test_what_users_and_administrators_changed_since_stays(db: Database, tmp_path: Path) -> None:
    """By Better Auth's own endpoints."""
    with better_auth(tmp_path, postgres=db.dsn) as site:
        site.sign_up("new@example.com")
        (known,) = db.passwords().values()
        db.create(more=MORE)
        for number in range(1, 5):
            db.add(number, f"{number}@example.com", known, "Ada Lovelace", JOINED, PICTURE, YES)
        db.apply()
        people = {number: site.browser() for number in range(1, 4)}
        for number, person in people.items():
            person.sign_in(f"{number}@example.com")
        assert people[1].ask("/update-user", body={"name": "The Countess"}).status == 200
        assert people[2].ask("/update-user", body={"image": "https://example.com/mine.png"}).status == 200
        assert people[3].ask("/update-user", body={"image": "https://example.com/mine.png"}).status == 200
        assert people[3].ask("/update-user", body={"image": None}).status == 200
        db.apply(*OPTIONS, "--fill", "--report", tmp_path / "r")
    assert values(db, "1") == ("The Countess", JOINED, None, False)
    assert values(db, "2") == ("Ada Lovelace", JOINED, "https://example.com/mine.png", False)
    assert values(db, "3") == ("Ada Lovelace", JOINED, None, False)
    assert values(db, "4") == FILLED
    reasons = {row["id"]: row["reason"] for row in report(tmp_path / "r")}
    changed = "not filled, because the user was changed in Better Auth since the import: "
    assert reasons["1"] == f"createdAt; {changed}image, emailVerified"
    assert reasons["2"] == f"name, createdAt; {changed}emailVerified"
    assert reasons["4"] == "name, createdAt, image, emailVerified"


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ("name = 'Ada'", {"name"}),
        ("\"createdAt\" = '2000-01-01Z'", {"createdAt"}),
        ("image = 'x'", {"image"}),
        ("email = 'new@example.com'", {"emailVerified"}),
        ('"updatedAt" = now()', {"image", "emailVerified"}),
    ],
)
def test_each_changed_value_stays_even_if_it_was_changed_by_sql(db: Database, change: str, kept: set[str]) -> None:
    db.create(more=MORE)
    add(db, 1)
    db.apply()
    db.execute(f'UPDATE "user" SET {change};')
    before = dict(zip(FIELDS, values(db), strict=True))
    db.apply(*OPTIONS, "--fill")
    expected = dict(zip(FIELDS, FILLED, strict=True)) | {field: before[field] for field in kept}
    assert dict(zip(FIELDS, values(db), strict=True)) == expected


def test_a_name_of_the_old_table_is_not_filled_even_if_it_is_the_part_before_the_at(db: Database) -> None:
    db.create(more=f"{MORE}, nick text")
    db.add(1, "ada@example.com", hashed(), "Ada Lovelace", JOINED, None, None, "Countess")
    db.apply("--name-column", "nick")
    for name in ("ada", ""):
        db.execute('UPDATE "user" SET name = $1', name)
        db.apply(*OPTIONS, "--fill")
        assert db.users()["1"]["name"] == name


def test_a_filled_name_that_its_user_then_shortens_is_not_filled_again(db: Database) -> None:
    db.create(more=MORE)
    add(db, 1)
    db.apply()
    db.apply(*OPTIONS, "--fill")
    db.execute("UPDATE \"user\" SET name = '1';")
    db.apply(*OPTIONS, "--fill")
    assert db.users()["1"]["name"] == "1"


def test_users_who_were_not_imported_are_not_filled(db: Database) -> None:
    db.create(more=MORE)
    add(db, 1)
    db.sign_up("1", "1@example.com")
    before = db.users()
    db.apply(*OPTIONS, "--fill")
    assert db.users() == before


@pytest.mark.parametrize("touched", [False, True])
def test_users_of_an_earlier_version_are_filled_if_they_are_untouched(db: Database, *, touched: bool) -> None:
    db.create(more=MORE)
    add(db, 1)
    db.apply()
    db.execute('ALTER TABLE imported_user DROP COLUMN "defaultName";')
    if touched:
        db.execute('UPDATE "user" SET "updatedAt" = now();')
    ran = db.apply(*OPTIONS, "--fill")
    assert values(db) == (("1", JOINED, None, False) if touched else FILLED)
    assert ("since the import: name, image, emailVerified" in ran.output) == touched


def test_tables_of_an_orm_with_milliseconds_are_filled(db: Database) -> None:
    db.execute(
        'ALTER TABLE "user" ALTER "createdAt" TYPE timestamptz(3), ALTER "updatedAt" TYPE timestamptz(3);'
        'ALTER TABLE "user" DROP COLUMN image;'
    )
    db.create(more=MORE)
    add(db, 1)
    db.apply()
    db.apply(*(option for option in OPTIONS if option not in {"--image-column", "picture"}), "--fill")
    row = db.users()["1"]
    assert (row["name"], row["createdAt"], row["emailVerified"]) == ("Ada Lovelace", JOINED, True)


def test_roles_bans_and_passwords_are_reported_and_not_filled(db: Database) -> None:
    db.create((1, "ada@example.com", "", True, False), more=", is_superuser boolean, is_active boolean")
    db.apply()
    db.execute("UPDATE users SET hashed_password = $1", hashed())
    before = db.dump()
    ran = db.apply("--admin-column", "is_superuser", "--active-column", "is_active", "--fill")
    assert db.dump() == before
    assert (
        "already there: 1 ada@example.com: deactivated in the old table, but not banned in Better Auth; administrator "
        "in the old table, but not in Better Auth; has a password in the old table, but none in Better Auth"
    ) in ran.output


def test_a_failure_fills_nothing(db: Database) -> None:
    db.create(more=MORE)
    add(db, 1)
    db.apply()
    add(db, 2)
    db.execute("ALTER TABLE imported_user ADD CHECK (\"defaultName\" <> '') NOT VALID;")
    before = db.dump()
    ran = db.run(*OPTIONS, "--fill", "--apply")
    assert (ran.code, db.dump()) == (1, before)


@pytest.fixture(scope="module")
def shared(server: Postgres) -> Iterator[Database]:
    with database(server) as made:
        made.create(more=MORE)
        yield made


NAMES = st.sampled_from([None, "", "1", "2", "Ada"])
PLACES = st.sets(st.sampled_from(range(0, len(OPTIONS), 2)))
CHANGES = st.lists(
    st.sampled_from(["name = '1'", "name = 'x'", "image = 'x'", "image = NULL", '"emailVerified" = true'])
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(NAMES, st.sampled_from([None, JOINED]), st.sampled_from([None, PICTURE]), st.booleans())),
    first=PLACES,
    changes=CHANGES,
)
def test_for_any_users_the_numbers_add_up_and_the_next_fill_finds_nothing(
    shared: Database, rows: list[Any], first: set[int], changes: list[str]
) -> None:
    shared.execute('DELETE FROM users; DELETE FROM "user"; DROP TABLE IF EXISTS imported_user;')
    for number, row in enumerate(rows, start=1):
        shared.add(number, f"{number}@example.com", hashed(), *row)
    shared.apply(*(word for place in first for word in OPTIONS[place : place + 2]))
    for change in changes:
        shared.execute(f'UPDATE "user" SET {change}, "updatedAt" = clock_timestamp();')
    before = shared.users()
    dry, wet = shared.run(*OPTIONS, "--fill"), shared.apply(*OPTIONS, "--fill")
    assert dry.output.replace("would be ", "").splitlines()[:-1] == wet.output.splitlines()[:-1]
    assert wet.number("already there, filled") + wet.number("already there, left") == len(rows)
    after = shared.users()
    assert wet.number("already there, filled") == sum(before[key] != after[key] for key in after)
    assert shared.apply(*OPTIONS, "--fill").number("already there, filled") == 0
