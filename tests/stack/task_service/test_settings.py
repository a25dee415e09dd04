"""Settings of the task service."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from tests.support.task_service import (
    ConfigError,
    alembic,
    read_settings,
    refused_start,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "exactly one of DATABASE_URL and DATABASE_URL_FILE"),
        ({"DATABASE_URL": "postgresql://u:canary@h/d", "DATABASE_URL_FILE": "/dev/null"}, "exactly one of"),
        ({"DATABASE_URL_FILE": "/nonexistent"}, "cannot be read: No such file"),
        ({"DATABASE_URL": "u:canary@h"}, "is not a URL like"),
        ({"DATABASE_URL": "mysql://u:canary@h/d"}, "needs a scheme"),
        ({"DATABASE_URL": "postgresql://u:canary@h:port/d"}, "is not a URL like"),
        ({"DATABASE_URL": "postgresql://u:canary@h/d?options=-c"}, "unknown parameters, remove them: options"),
        ({"DATABASE_URL": "postgresql://u:canary@h/d?sslmode=on"}, "sslmode in DATABASE_URL must be one of disable"),
        ({"DATABASE_URL": "postgresql://u:canary@h/d?sslmode=disable&channel_binding=require"}, "needs TLS"),
        ({"DATABASE_URL": "postgresql://u:canary@h/d", "CORS_ORIGINS": "*"}, "exact origins"),
        ({"DATABASE_URL": "postgresql://u:canary@h/d", "CORS_ORIGINS": "https://a.example/"}, "'https://a.example/'"),
        ({"DATABASE_URL": "postgresql://u:canary@h/d", "CORS_ORIGINS": "https://a.example,null"}, "'null'"),
    ],
)
def test_messages_about_wrong_settings_do_not_quote_the_password(environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError) as problem:
        read_settings(environ)
    assert words in str(problem.value)
    assert "canary" not in str(problem.value)


def test_wrong_settings_end_the_start_with_one_line_and_exit_code_78() -> None:
    neither = "task_service: set exactly one of DATABASE_URL and DATABASE_URL_FILE\n"
    assert refused_start({}) == (78, neither)
    migration = alembic("", "upgrade", "head")
    output, _ = migration.communicate(timeout=30)
    assert (migration.returncode, output) == (78, neither)


def test_the_url_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "database_url"
    file.write_text("postgresql://u:p@h/d\n")
    assert str(read_settings({"DATABASE_URL_FILE": str(file)}).database_url) == "postgresql+asyncpg://u:***@h/d"


@pytest.mark.parametrize(
    ("query", "tls"),
    [
        ("", "prefer"),
        ("?sslmode=disable", "disable"),
        ("?sslmode=require", "require"),
        ("?sslmode=require&channel_binding=require", True),
        ("?sslmode=verify-full&sslrootcert=system", True),
        ("?sslmode=verify-ca", False),
        ("?pgbouncer=true&connect_timeout=10&sslmode=prefer", "prefer"),
    ],
)
def test_sslmode_means_what_it_means_to_libpq(query: str, tls: str | bool) -> None:  # noqa: FBT001 - a column
    settings = read_settings({"DATABASE_URL": f"postgres://u:p%40ss@h:6432/d{query}"})
    assert settings.database_url.render_as_string(hide_password=False) == "postgresql+asyncpg://u:p%40ss@h:6432/d"
    if isinstance(settings.tls, ssl.SSLContext):
        assert (settings.tls.verify_mode, settings.tls.check_hostname) == (ssl.CERT_REQUIRED, tls)
    else:
        assert settings.tls == tls
