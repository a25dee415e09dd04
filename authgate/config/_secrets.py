"""Read the secrets of the configuration: from the file itself, from a variable, or from a file of their own."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from authgate.config._outbound import redacted
from authgate.config._secret_forms import NOT_SHOWN, known_secret
from authgate.core.errors import Problem
from authgate.files import FIX_UNREADABLE, read_bounded, shown_path, unreadable_reason
from authgate.tokens import derived, jwk
from authgate.tokens.secrets import without_line_break

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel, SecretStr

MAX_SECRET_BYTES = 16 * 1024

# How to fix an unfit secret, and an unfit public key, whichever setting holds it.
FIX_BOTH_SIDES = "both sides need the same sound secret; for a new one: openssl rand -base64 48, set on both"
_FIX_KEY = "replace the key"
_FIX_ENCODING = "write it in base64url: - for +, _ for /, and no ="

# A sound secret has at least 32 bytes. Longer text in a setting for a variable's name may be the secret itself.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,30}")


def fix_key(fault: str) -> str:
    """Return how to fix a key that has *fault*."""
    return _FIX_ENCODING if "unpadded base64url" in fault else _FIX_KEY


def secret_problems(secrets: tuple[bytes, ...], setting: str) -> list[Problem]:
    """Return what makes *secrets* unfit for every preset."""
    try:
        derived.nextauth_v4(secrets)
    except jwk.BadKey as error:
        fixes = {derived.LISTED_TWICE: "remove one of the two"}
        return [Problem(setting=setting, message=fault, fix=fixes.get(fault, FIX_BOTH_SIDES)) for fault in error.faults]
    return []


def from_variable(name: str, setting: str, environ: Mapping[str, str], problems: list[Problem]) -> bytes | None:
    """Return the value of the environment variable *name*; None and a problem if it has none."""
    value = environ.get(name)
    if not value:
        variable = f"the environment variable {name}"
        if not _VARIABLE.fullmatch(name) or known_secret(name):
            variable = f"the environment variable that it names {NOT_SHOWN}"
        message = f"{variable} is {'not set' if value is None else 'empty'}"
        problems.append(Problem(setting=setting, message=message, fix="set it for the AuthGate process"))
        return None
    return os.fsencode(value)


def as_bytes(secret: SecretStr) -> bytes:
    """Return the bytes of a secret in the configuration's file."""
    return secret.get_secret_value().encode("utf-8", "surrogateescape")


def addresses(
    group: BaseModel, name: str, setting: str, environ: Mapping[str, str], problems: list[Problem]
) -> list[tuple[str, str]]:
    """Return the addresses that the settings *name*, `name_file` and `name_env` of *group* give, each with its setting.

    *setting* is where *group* is. An address may hold a password. One that cannot be read is reported and left out.
    """
    texts: list[tuple[str, bytes | None]] = []
    if (secret := getattr(group, name)) is not None:
        texts.append((name, as_bytes(secret)))
    if (path := getattr(group, f"{name}_file")) is not None:
        texts.append((f"{name}_file", from_file(path, f"{setting}.{name}_file", problems)))
    if (variable := getattr(group, f"{name}_env")) is not None:
        texts.append((f"{name}_env", from_variable(variable, f"{setting}.{name}_env", environ, problems)))
    read = []
    for source, text in texts:
        if text is None:
            continue
        if text != text.strip() or not text:
            message = "begins or ends with white space" if text else "is empty"
            fix = "remove the white space" if text else "write the address, or remove the setting"
            problems.append(Problem(setting=f"{setting}.{source}", message=message, fix=fix))
        if text.strip():
            read.append((text.strip().decode("utf-8", "surrogateescape"), f"{setting}.{source}"))
    return read


def from_file(path: str, setting: str, problems: list[Problem], max_bytes: int = MAX_SECRET_BYTES) -> bytes | None:
    """Return the secret in the file at *path*; None and a problem if it cannot be read."""
    try:
        return without_line_break(read_bounded(path, max_bytes))
    except (OSError, ValueError) as error:
        # Somebody may have written the address itself.
        shown = redacted(path, 200) if "//" in path else shown_path(path)
        message = f"cannot read {shown}: {unreadable_reason(error)}"
        problems.append(Problem(setting=setting, message=message, fix=FIX_UNREADABLE))
        return None
