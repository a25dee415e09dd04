"""Configurations that a start rejects: every problem, and no secret in a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from authgate import wiring
from authgate.config.load import load
from authgate.core.errors import ConfigError, Problem
from tests.support.prefixes import as_one
from tests.support.session_settings import CANARY
from tests.support.tokens import OTHER_SECRET, SECRET

if TYPE_CHECKING:
    from pathlib import Path

GOOD, OTHER = SECRET.decode(), OTHER_SECRET.decode()


def rejected(path: Path | str | None = None, /, **environ: str) -> list[Problem]:
    """Return the problems of a start with the file at *path* and with *environ*. None of them quotes a secret."""
    with pytest.raises(ConfigError) as error:
        wiring.prepare(load(str(path) if path else None, environ))
    problems = list(error.value.problems)
    assert all(problem.setting and problem.message and problem.fix for problem in problems)
    long_values = [value for name, value in environ.items() if len(value) > 24 and not name.endswith("_FILE")]
    assert not [secret for secret in (GOOD, OTHER, CANARY, *long_values) if secret in str(error.value)]
    return problems


def jwt_file(folder: Path, *issuers: dict[str, Any], **settings: Any) -> Path:
    """Return the path of a configuration of *issuers*, by default of preset jwt. A None leaves a setting out."""
    complete = [{"name": "app", "preset": "jwt", "audiences": "any"} | issuer for issuer in issuers]
    complete = [{name: value for name, value in one.items() if value is not None} for one in as_one(complete)]
    path = folder / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": complete, **settings} if issuers else settings), encoding="utf-8")
    return path


def assert_only(problems: list[Problem], setting: str, message: str) -> None:
    """Assert that there is one problem: of *setting*, with *message* in its text."""
    assert [problem.setting for problem in problems] == [setting], problems
    assert message in problems[0].message
