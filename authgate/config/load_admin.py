"""Load only where the admin port is: without the model of the configuration, whose import takes most of a second.

A container's health check runs every 10 seconds, beside AuthGate, on its processor. `admin_port` reads what is written
plainly. For anything else it returns None: then `config/load.py` must look, and it says what is wrong.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from authgate.config.listening import ADMIN_LISTEN, ADMIN_LISTEN_IN_CONTAINER, is_address
from authgate.files import read_bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FILE_BYTES = 1024 * 1024

# The settings of the group `admin`, by the names of their variables.
_LISTEN, _CERTIFICATE, _KEY = ("listen",), ("tls", "certificate_file"), ("tls", "key_file")


@dataclass(frozen=True, slots=True)
class AdminPort:
    """The address of the admin port, and the file of its certificate if it has TLS."""

    listen: str
    certificate_file: str | None = None


def admin_port(path: str | None = None, environ: Mapping[str, str] | None = None) -> AdminPort | None:
    """Return the admin port of the configuration at *path*, as `load` would; None if it is not written plainly."""
    environ = os.environ if environ is None else environ
    path = path or environ.get("AUTHGATE_CONFIG") or None
    in_file = _of_file(path) if path else {}
    in_variables = _of_variables(environ)
    switch = environ.get("AUTHGATE_IN_CONTAINER", "")
    if in_file is None or in_variables is None or switch not in {"", "true", "false"}:
        return None
    default = ADMIN_LISTEN_IN_CONTAINER if switch == "true" else ADMIN_LISTEN
    settings = {_LISTEN: default} | in_file | in_variables
    listen = settings.pop(_LISTEN)
    if not is_address(listen) or settings.keys() not in (set(), {_CERTIFICATE, _KEY}) or not all(settings.values()):
        return None
    if settings and listen.startswith("unix:"):  # a mistake
        return None
    return AdminPort(listen, settings.get(_CERTIFICATE))


def _of_variables(environ: Mapping[str, str]) -> dict[tuple[str, ...], str] | None:
    """Return the settings of `admin` in AUTHGATE_* variables; None if one of them is of another form."""
    settings = {}
    for variable, value in environ.items():
        name, *rest = variable.removeprefix("AUTHGATE_").lower().split("__")
        if variable.startswith("AUTHGATE_") and name == "admin":
            if tuple(rest) not in {_LISTEN, _CERTIFICATE, _KEY} or tuple(rest) in settings:
                return None
            settings[tuple(rest)] = value
    return settings


def _of_file(path: str) -> dict[tuple[str, ...], str] | None:
    """Return the settings of `admin` in the file at *path*; None if it is not a regular file of plain settings."""
    from authgate.config import _yaml  # noqa: PLC0415 - slow, and a start without a file does not need it

    try:
        if not Path(path).is_file():  # a pipe can be read once
            return None
        text = read_bounded(path, MAX_FILE_BYTES).decode("utf-8")
        document = _yaml.parse(text)
    except (OSError, ValueError):
        return None
    settings = {} if document.value is None else document.value
    is_sound = text.strip() and not document.repeated_keys and isinstance(settings, dict)
    if not (is_sound and all(isinstance(name, str) for name in settings)):
        return None
    return _of_group(settings.get("admin", {}))


def _of_group(admin: Any) -> dict[tuple[str, ...], str] | None:  # noqa: ANN401 - a value of YAML
    """Return the settings of the group *admin* of a file; None if it is not one with plain texts."""
    if not isinstance(admin, dict) or ("tls" in admin and not (admin["tls"] and isinstance(admin["tls"], dict))):
        return None
    settings: dict[tuple[str, ...], Any] = {(name,): value for name, value in admin.items() if name != "tls"}
    settings |= {("tls", name): value for name, value in admin.get("tls", {}).items()}
    is_plain = settings.keys() <= {_LISTEN, _CERTIFICATE, _KEY} and all(isinstance(v, str) for v in settings.values())
    return settings if is_plain else None
