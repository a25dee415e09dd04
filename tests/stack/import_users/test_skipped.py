"""Users that are skipped, users without a usable password, and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from passlib.hash import bcrypt

from tests.support.old_users import (
    PASSWORD,
    Database,
    hashed,
    hashed_sha256,
    report,
    run,
)

if TYPE_CHECKING:
    from pathlib import Path


# Passwords.

DIGEST = "x" * 22 + "y" * 31
KEPT = {
    "2a": f"$2a$12${'.' * 53}",
    "2b": hashed(),
    "2y": f"$2y$10${'.' * 53}",
    "sha256 v2": hashed_sha256(),
    "sha256 v1": hashed_sha256(1),
    "better auth": f"{'0a' * 16}:{'0b' * 64}",
}
LOST = {
    None: "the old table has no password",
    "": "the old table has no password",
    " ": "the old table has no password",
    "!": "marked as unusable",
    "*LK*": "marked as unusable",
    "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g": "argon2 hash",
    "argon2$argon2id$v=19$secretsalt": "argon2 hash",
    "$pbkdf2-sha256$29000$secretsalt$secretsum": "pbkdf2 hash",
    "pbkdf2_sha256$260000$secretsalt$secretsum": "pbkdf2 hash",
    "$scrypt$ln=16,r=8,p=1$secretsalt$secretsum": "scrypt hash of another library",
    "scrypt:32768:8:1$secretsalt$secretsum": "scrypt hash of another library",
    "$6$rounds=5000$secretsalt$secretsum": "crypt(3) hash",
    "5f4dcc3b5aa765d61d8327deb882cf99": "bare digest",
    "hunter2-secret": "unknown hash format, or not a hash",
    f"{hashed()}x": "malformed bcrypt hash",
    hashed()[:-1]: "malformed bcrypt hash",
    hashed().replace("$04$", "$03$"): "malformed bcrypt hash",
    hashed().replace("$04$", "$32$"): "malformed bcrypt hash",
    hashed().replace("$2b$", "$2x$"): "bcrypt hash of the faulty variant 2x",
    hashed_sha256().replace("v=2", "v=3"): "malformed bcrypt-sha256 hash",
}


def test_every_hash_that_better_auth_verifies_is_kept_unchanged(db: Database) -> None:
    db.create(*((number, f"{number}@example.com", digest) for number, digest in enumerate(KEPT.values())))
    assert db.apply().code == 0
    assert list(db.passwords().values()) != []
    assert db.passwords() == {str(number): digest for number, digest in enumerate(KEPT.values())}


def test_a_user_with_another_hash_or_none_is_imported_without_a_password(db: Database, tmp_path: Path) -> None:
    db.create(*((number, f"{number}@example.com", digest) for number, digest in enumerate(LOST)))
    ran = db.apply("--report", tmp_path / "r")
    assert ran.code == 3
    assert len(db.users()) == ran.number("without a password") == len(LOST)
    assert db.passwords() == {}
    rows = report(tmp_path / "r")
    assert {row["outcome"] for row in rows} == {"imported without password"}
    for row, reason in zip(rows, LOST.values(), strict=True):
        assert reason in row["reason"]
    everything = ran.output + (tmp_path / "r").read_text()
    for secret in LOST:
        assert len(secret or "") < 6 or secret not in everything
    assert "secret" not in everything


def test_a_hash_with_too_high_a_bcrypt_cost_is_not_imported(db: Database) -> None:
    db.create((1, "ada@example.com", f"$2b$16${'.' * 53}"), (2, "bob@example.com", f"$2b$15${'.' * 53}"))
    ran = db.apply()
    assert ran.code == 3
    assert db.passwords().keys() == {"2"}
    assert "1 ada@example.com: bcrypt cost 16: checking it would block all sign-ins" in ran.output
    assert "bob@example.com" not in ran.output


def test_unused_bits_of_a_salt_are_cleared_because_bcryptjs_rejects_them(db: Database) -> None:
    sound = f"{hashed()[:28]}e{hashed()[29:]}"
    db.create((1, "ada@example.com", f"{hashed()[:28]}h{hashed()[29:]}"))
    assert db.apply().code == 0
    assert db.passwords() == {"1": sound}


def test_a_real_hash_still_verifies_the_old_password_after_the_import(db: Database) -> None:
    db.create((1, "ada@example.com", hashed()))
    db.apply()
    assert bcrypt.verify(PASSWORD, db.passwords()["1"])


# Users that are skipped.

SKIPPED: tuple[tuple[Any, Any, str], ...] = (
    (None, "no-id@example.com", "it has no id"),
    ("", "empty-id@example.com", "it has no id"),
    ("x" * 256, "long-id@example.com", "its id is longer than 255 characters"),
    ("a\nb", "control@example.com", "its id is longer than 255 characters, or contains control characters"),
    (" 7", "space@example.com", "its id is longer than 255 characters, or contains control characters or outer"),
    ("n1", None, "it has no e-mail address"),
    ("n2", " ", "it has no e-mail address"),
    ("n3", "nobody", "its e-mail address is not accepted by Better Auth"),
    ("n4", "a b@example.com", "its e-mail address is not accepted"),
    ("n5", "a@localhost", "its e-mail address is not accepted"),
    ("n6", "ada@münchen.de", "its e-mail address is not accepted"),
    ("n7", "a..b@example.com", "its e-mail address is not accepted"),
    ("c1", "a\x00b@example.com".replace("\x00", "\x1b"), "its e-mail address contains control characters"),
    ("c2", "a@example.com\r\nBcc: b@example.com", "its e-mail address contains control characters"),
    ("l1", f"{'a' * 250}@example.com", "its e-mail address is longer than 254 characters"),
    ("s1", "Shared@example.com", "its e-mail address belongs to several old users: s1, s2, s3"),
    ("s2", "shared@example.com", "its e-mail address belongs to several old users: s1, s2, s3"),
    ("s3", " SHARED@EXAMPLE.COM", "its e-mail address belongs to several old users: s1, s2, s3"),
    ("d1", "d1@example.com", "its id belongs to several old users"),
    ("d1", "d2@example.com", "its id belongs to several old users"),
    ("t1", "taken@example.com", "its e-mail address belongs to another Better Auth user: theirs"),
    ("mixed", "mixed@example.com", "its e-mail address belongs to another Better Auth user: other"),
    ("theirs", "new@example.com", "its id belongs to another Better Auth user"),
)


def test_each_skipped_user_is_reported_with_id_address_and_reason(db: Database, tmp_path: Path) -> None:
    db.sign_up("theirs", "taken@example.com")
    db.sign_up("other", "Mixed@Example.com")
    db.create(*((row[0], row[1], hashed()) for row in SKIPPED), ("ok", "ok@example.com", hashed()), id_type="text")
    ran = db.apply("--report", tmp_path / "r")
    assert ran.code == 3
    assert set(db.users()) == {"theirs", "other", "ok"}
    assert (ran.number("skipped, not imported"), ran.number("with their password")) == (len(SKIPPED), 1)
    assert f"1 + 0 + 0 + {len(SKIPPED)} = {len(SKIPPED) + 1}" in ran.output
    rows = report(tmp_path / "r")
    assert {row["outcome"] for row in rows} == {"skipped"}
    for (user_id, _, reason), row in zip(SKIPPED, rows, strict=True):
        assert row["reason"].startswith(reason)
        assert "\n" in (user_id or "") or row["id"] == (user_id or "")


def test_more_than_twenty_rows_are_counted_and_the_report_has_them_all(db: Database, tmp_path: Path) -> None:
    db.execute(
        "CREATE TABLE users AS SELECT n AS id, 'same@example.com' AS email, '' AS hashed_password "
        "FROM generate_series(1, 30) n;"
    )
    output = db.run().output
    assert output.count("\nskipped: ") + output.startswith("skipped: ") == 20
    assert "... and 10 more: --report FILE writes all of them" in output
    assert "several old users: 1, 2, 3, 4, 5, 6, 7, 8, 9, ..." in output
    assert "Report: 30 rows in " in db.run("--report", tmp_path / "r").output
    assert len(report(tmp_path / "r")) == 30
    assert (tmp_path / "r").stat().st_mode & 0o777 == 0o600


def test_the_report_contains_no_formula_and_no_terminal_sequence(db: Database, tmp_path: Path) -> None:
    rows = [("=cmd|' /C calc'!A0", "x"), ("@SUM(1)", "y"), ("+1", "-2@example"), ("a;=1", "b;@2")]
    rows.append(("a\x1b[2J", "\x1b]0;title\x07"))
    db.create(*((*row, "") for row in rows), id_type="text")
    db.run("--report", tmp_path / "r")
    cells = [value for row in report(tmp_path / "r") for cell in row.values() for value in cell.split(";")]
    assert not [value for value in cells if value[:1] in "=+-@\t\r" and value]
    assert {"'=cmd|' /C calc'!A0", "'-2@example"} <= set(cells)
    assert "\x1b" not in (tmp_path / "r").read_text() + db.run().output
    assert "\\x1b[2J" in db.run().output


def test_hashes_are_not_printed_if_the_columns_are_swapped(db: Database) -> None:
    db.create((1, hashed(), "ada@example.com"))
    ran = db.run()
    assert (ran.code, ran.number("skipped, not")) == (3, 1)
    assert hashed() not in ran.output
    assert run("--from", "users", "--email-column", "hashed_password", DATABASE_URL=db.dsn).code == 2
