"""Secrets and addresses from variables and files: what is missing or malformed is reported, and nothing is quoted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.rejections import GOOD, assert_only, jwt_file, rejected
from tests.support.session_settings import CANARY, DSN, issuer, written

if TYPE_CHECKING:
    from pathlib import Path

ENVIRON = {"EMPTY": "", "SPACED": f" {DSN}"}


def postgres(**settings: Any) -> dict[str, Any]:
    return {"sessions": {"postgres": settings}}


@pytest.mark.parametrize(
    ("settings", "name", "message"),
    [
        ({"dsn": f"{DSN}\n"}, "dsn", "begins or ends with white space"),
        ({"dsn_env": "SPACED"}, "dsn_env", "begins or ends with white space"),
        ({"dsn": ""}, "dsn", "is empty"),
        ({"dsn_env": "EMPTY"}, "dsn_env", "is empty"),
        ({"dsn_file": "/nowhere"}, "dsn_file", "cannot read /nowhere: No such file"),
    ],
)
def test_an_address_that_cannot_be_read_is_reported_with_its_setting(
    tmp_path: Path, settings: dict[str, str], name: str, message: str
) -> None:
    problems = rejected(written(tmp_path, issuer(**postgres(**settings))), **ENVIRON)
    assert_only(problems, f"issuers[0].sessions.postgres.{name}", message)


def test_a_dsn_in_a_file_has_a_bound(tmp_path: Path) -> None:
    (tmp_path / "dsn").write_bytes(b"x" * 16385)
    (problem,) = rejected(written(tmp_path, issuer(**postgres(dsn_file=str(tmp_path / "dsn")))))
    assert "longer than 16384" in problem.message


@pytest.mark.parametrize(("environ", "message"), [({}, "not set"), ({"MY_SECRET": ""}, "empty")])
def test_a_secret_variable_that_is_not_set_is_rejected(tmp_path: Path, environ: dict[str, str], message: str) -> None:
    problems = rejected(jwt_file(tmp_path, {"secret_env": "MY_SECRET"}), **environ)
    assert_only(problems, "issuers[0].secret_env", f"the environment variable MY_SECRET is {message}")


def test_a_secret_in_the_setting_for_its_variable_is_not_quoted(tmp_path: Path) -> None:
    assert_only(rejected(jwt_file(tmp_path, {"secret_env": GOOD})), "issuers[0].secret_env", "is not set")
    (problem,) = rejected(written(tmp_path, issuer(**postgres(dsn_env=DSN))))
    assert problem.setting == "issuers[0].sessions.postgres.dsn_env"


@pytest.mark.parametrize("name", ["secret_file", "pem_file"])
@pytest.mark.parametrize("content", [GOOD, f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n"])
def test_a_secret_in_the_setting_for_its_file_is_not_quoted(tmp_path: Path, name: str, content: str) -> None:
    (problem,) = rejected(jwt_file(tmp_path, {name: content}))
    assert problem.setting == f"issuers[0].{name}"
    assert problem.message.startswith("cannot read the file that it names (not shown")
    assert content not in str(problem)
    assert CANARY not in str(problem)


def test_a_secret_in_the_variable_for_its_file_is_not_quoted() -> None:
    (problem,) = rejected(JWT_SECRET_FILE=GOOD, AUTHGATE_TRUSTED_PROXIES="127.0.0.1")
    assert problem.message.startswith("cannot read the file that it names (not shown")


def test_a_dsn_in_the_setting_for_its_file_is_shown_without_its_password(tmp_path: Path) -> None:
    (problem,) = rejected(written(tmp_path, issuer(**postgres(dsn_file=DSN))))
    assert "'postgresql://***@db.example/app?sslmode=verify-full'" in problem.message
    assert CANARY not in str(problem)
