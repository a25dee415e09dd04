"""Read the secrets of one issuer, or check each of several rival sources of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.config import _secrets
from authgate.core.errors import Problem
from authgate.files import FIX_UNREADABLE, read_bounded, shown_path, unreadable_reason
from authgate.presets.settings import SECRET_SETTINGS, SECRETS_SETTINGS
from authgate.tokens import algorithms, derived, jwk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate.presets.settings import IssuerSettings


def read_secrets(
    config: IssuerSettings, setting: str, environ: Mapping[str, str], problems: list[Problem], wrong: frozenset[str]
) -> tuple[bytes, ...]:
    """Return the secrets of *config* that are not in a file of their own; those files are read with the keys.

    Return none if there are rival sources of keys. Then it is not known which counts, and each is checked here.
    """
    secrets = config.secret_settings
    is_alone = len(secrets) == 1 and not wrong & {*SECRET_SETTINGS}
    if not config.has_sessions:
        # Keys of a wrong preset are made as those of preset jwt, which has one secret, not several.
        is_alone = (
            is_alone and len(config.key_settings) == 1 and not ("preset" in wrong and secrets[0] in SECRETS_SETTINGS)
        )
    if is_alone:
        name = secrets[0]
        return () if name.endswith("_file") else _secrets_in(config, name, setting, environ, problems)
    for name in secrets:
        _check_secrets(config, name, setting, environ, problems)
    if not config.has_sessions and len(config.key_settings) > 1:
        _check_public_keys(config, setting, problems)
    return ()


def _secrets_in(
    config: IssuerSettings, name: str, setting: str, environ: Mapping[str, str], problems: list[Problem]
) -> tuple[bytes, ...]:
    """Return the secrets that the setting *name* gives; none and a problem where it gives none."""
    value = getattr(config, name)
    if name == "secret":
        return (_secrets.as_bytes(value),)
    if name == "secrets":
        return tuple(_secrets.as_bytes(secret) for secret in value)
    if name.endswith("_env"):
        text = _secrets.from_variable(value, f"{setting}.{name}", environ, problems)
    else:
        text = _secrets.from_file(value, f"{setting}.{name}", problems, max_bytes=jwk.MAX_DOCUMENT_BYTES)
    if not text or name not in SECRETS_SETTINGS:
        return (text,) if text else ()
    try:
        return derived.parse_versioned(text)
    except jwk.BadKey as error:
        fix = "write it like Better Auth's BETTER_AUTH_SECRETS: 2:new,1:old"
        problems.append(Problem(setting=secret_setting(config, name, setting), message=str(error), fix=fix))
        return ()


def _check_secrets(
    config: IssuerSettings, name: str, setting: str, environ: Mapping[str, str], problems: list[Problem]
) -> None:
    secrets = _secrets_in(config, name, setting, environ, problems)
    if secrets:
        problems.extend(_secrets.secret_problems(secrets, secret_setting(config, name, setting)))


def _check_public_keys(config: IssuerSettings, setting: str, problems: list[Problem]) -> None:
    for name, parse in (("pem_file", jwk.from_pem), ("jwks_file", jwk.from_jwks)):
        path = config.given(name)
        if not isinstance(path, str):
            continue
        try:
            parse(read_bounded(path, jwk.MAX_DOCUMENT_BYTES), algorithms.ALL_ALGORITHMS)
        except jwk.BadKey as error:
            problems.extend(
                Problem(setting=f"{setting}.{name}", message=fault, fix=_secrets.fix_key(fault))
                for fault in error.faults
            )
        except (OSError, ValueError) as error:
            message = f"cannot read {shown_path(path)}: {unreadable_reason(error)}"
            problems.append(Problem(setting=f"{setting}.{name}", message=message, fix=FIX_UNREADABLE))


def secret_setting(config: IssuerSettings, name: str, setting: str) -> str:
    """Return the place of the secret setting *name*, with the variable that it names."""
    return f"{setting}.{name} ({getattr(config, name)})" if name.endswith("_env") else f"{setting}.{name}"
