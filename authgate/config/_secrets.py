"""Secrets of the configuration: in the file, in a variable, several at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from authgate.core.errors import Problem
from authgate.files import FIX_UNREADABLE, read_bounded, unreadable_reason
from authgate.tokens.secrets import without_line_break

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

MAX_SECRET_BYTES = 16 * 1024


def from_variable(name: str, setting: str, environ: Mapping[str, str], problems: list[Problem]) -> bytes | None:
    """Return what the environment variable *name* holds; None and a problem where it holds nothing."""
    value = environ.get(name)
    if not value:
        message = f"the environment variable {name} is {'not set' if value is None else 'empty'}"
        problems.append(Problem(setting=setting, message=message, fix="set it for the AuthGate process"))
        return None
    return os.fsencode(value)


def as_bytes(secret: SecretStr) -> bytes:
    """Return the bytes of a secret that stands in the file."""
    return secret.get_secret_value().encode("utf-8", "surrogateescape")


def one_of(
    group: str,
    given: tuple[SecretStr | None, str | None, str | None],
    environ: Mapping[str, str],
    problems: list[Problem],
    *,
    name: str,
) -> str | None:
    """Return the secret text that one of *given* (itself, its file, its variable) says; else None and a problem.

    *group* is where the settings *name*, `name_file` and `name_env` stand.
    """
    value, path, variable = given
    if sum(one is not None for one in given) != 1:
        message = f"needs exactly one of {name}, {name}_file and {name}_env"
        problems.append(Problem(setting=group, message=message, fix=f"keep one; {name}_file is the usual one"))
        return None
    if variable is not None:
        found = from_variable(variable, f"{group}.{name}_env", environ, problems)
    elif path is not None:
        found = _from_file(path, f"{group}.{name}_file", problems)
    else:
        found = as_bytes(value) if value is not None else None
    if found is None:
        return None
    if not found or found != found.strip():
        message = "begins or ends with white space" if found else "is empty"
        problems.append(Problem(setting=f"{group}.{name}", message=message, fix="take it off"))
        return None
    return found.decode("utf-8", "surrogateescape")


def _from_file(path: str, setting: str, problems: list[Problem]) -> bytes | None:
    try:
        return without_line_break(read_bounded(path, MAX_SECRET_BYTES))
    except (OSError, ValueError) as error:
        message = f"cannot read {path}: {unreadable_reason(error)}"
        problems.append(Problem(setting=setting, message=message, fix=FIX_UNREADABLE))
        return None
