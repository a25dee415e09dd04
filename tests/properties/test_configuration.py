"""Any configuration loads or is reported as problems. Nothing else is raised."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from authgate.config._environment import _names
from authgate.config.load import load
from authgate.config.model import Config
from authgate.core.errors import ConfigError, Problem
from authgate.presets import AnyIssuer
from authgate.wiring import prepare
from tests.support.tokens import SECRET

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates() | st.binary(max_size=8)
)
VALUES = st.recursive(
    SCALARS
    | st.sampled_from(["any", "enforce", "127.0.0.1:0", "10.0.0.0/8", "0.0.0.0/0", "HS256", "jwt", "/dev/null"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | SCALARS, inner, max_size=3),
    max_leaves=8,
)
ISSUERS = st.lists(st.dictionaries(st.sampled_from([*AnyIssuer.model_fields, "typo"]), VALUES, max_size=6), max_size=3)
KNOWN = [*Config.model_fields, "policies", "listn"]
MAPPINGS = st.dictionaries(st.sampled_from(KNOWN), VALUES | ISSUERS, max_size=5)
VARIABLES = st.sampled_from(
    [
        *(f"AUTHGATE_{name.upper()}" for name in _names(Config)),
        *("AUTHGATE_ISSUERS__NAME", "AUTHGATE_LOG__", "AUTHGATE___", "AUTHGATE_", "AUTHGATE_TYPO", "AUTHGATE_LOG"),
        *("JWT_SECRET", "JWT_SECRET_FILE", "BETTER_AUTH_SECRET", "AUTH_SECRET", "AUTHGATE_AUDIENCE", "AUTHGATE_ISSUER"),
    ]
)
ENVIRONS = st.dictionaries(VARIABLES, st.text(max_size=40) | VALUES.map(str), max_size=4)


def _start(path: str | None, environ: dict[str, str]) -> None:
    """Load and prepare, as every command does. Every problem must have a setting, a message and a fix."""
    problems: tuple[Problem, ...] = ()
    try:
        assert prepare(load(path, environ)).snapshot.issuers
    except ConfigError as error:
        problems = error.problems or (Problem(setting="", message="", fix=""),)
    assert all(problem.setting and problem.message and problem.fix for problem in problems)


def _with_file(content: bytes, environ: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "authgate.yaml"
        file.write_bytes(content)
        _start(str(file), environ)


@given(mapping=MAPPINGS, environ=ENVIRONS)
def test_any_mapping_starts_or_is_reported(mapping: dict[str, Any], environ: dict[str, str]) -> None:
    _with_file(yaml.safe_dump(mapping, allow_unicode=True).encode("utf-8", "surrogatepass"), environ)


@given(issuers=ISSUERS)
def test_any_issuers_start_or_are_reported(issuers: list[dict[str, Any]]) -> None:
    _with_file(yaml.safe_dump({"issuers": issuers}).encode("utf-8", "surrogatepass"), {"S": SECRET.decode()})


@given(content=st.binary(max_size=100) | st.text(":-[]{}#&*!|>'\"%@`,? \n\tab1~<", max_size=60).map(str.encode))
def test_any_file_starts_or_is_reported(content: bytes) -> None:
    _with_file(content, {"JWT_SECRET": SECRET.decode()})


@given(environ=ENVIRONS)
def test_any_environment_starts_or_is_reported(environ: dict[str, str]) -> None:
    environ.pop("AUTHGATE_CONFIG", None)
    _start(None, environ)
    _start(None, {"JWT_SECRET": SECRET.decode(), **environ})
