"""Settings from environment variables: AUTHGATE_* over the file's, and the issuer of a start without a file."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, get_origin

from authgate.config import _yaml
from authgate.config._outbound import shown
from authgate.config._report import Raw, did_you_mean, group_of, is_list
from authgate.config.issuer_model import IssuerConfig
from authgate.config.model import Config
from authgate.core.errors import Problem
from authgate.core.urls import url_fault
from authgate.tokens.derived import parse_versioned
from authgate.tokens.jwk import BadKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import BaseModel

PREFIX = "AUTHGATE_"

# Variables that are no settings of the model.
_OTHERS = {"AUTHGATE_CONFIG", "AUTHGATE_AUDIENCE", "AUTHGATE_ISSUER", "AUTHGATE_IN_CONTAINER"}

# Kubernetes sets these in every pod for a Service whose name begins with "authgate" (Docker's old links do the same).
_SERVICE_LINK = re.compile(
    r"AUTHGATE_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_SERVICE_LINK_URL = re.compile(r"(?:tcp|udp|sctp)://\S+")

# The variables that hold secrets, and those that hold several (2:new,1:old).
_JWT = ("JWT_SECRET", "JWT_SECRET_FILE")
_SEVERAL = ("BETTER_AUTH_SECRETS", "BETTER_AUTH_SECRETS_FILE")
_BETTER_AUTH = (*_SEVERAL, "BETTER_AUTH_SECRET", "BETTER_AUTH_SECRET_FILE")
_OF_PRESET = {
    "authjs": ("AUTH_SECRET_3", "AUTH_SECRET_2", "AUTH_SECRET_1", "AUTH_SECRET", "AUTH_SECRET_FILE"),
    "nextauth-v4": ("NEXTAUTH_SECRET", "NEXTAUTH_SECRET_FILE"),
}
_URLS = {"authjs": "AUTH_URL", "nextauth-v4": "NEXTAUTH_URL"}
_SECRETS = (*_JWT, *_BETTER_AUTH, *_OF_PRESET["authjs"], *_OF_PRESET["nextauth-v4"])
# Of each group one may be set.
_GROUPS = (
    ("JWT_SECRET", "BETTER_AUTH_SECRET", "JWT_SECRET_FILE", "BETTER_AUTH_SECRET_FILE"),
    _SEVERAL,
    ("BETTER_AUTH_SECRETS_FILE", "BETTER_AUTH_SECRET"),
    *((name, "AUTH_SECRET_FILE") for name in _OF_PRESET["authjs"][:-1]),
    _OF_PRESET["nextauth-v4"],
)
_FIX_ADDRESS = "write it as http://localhost:3000 or https://app.example.com"
_FOR_NO_FILE = {"AUTHGATE_AUDIENCE": "audiences", "AUTHGATE_ISSUER": "issuer"}
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_HOW_TO_START = (
    "set JWT_SECRET, BETTER_AUTH_SECRET (with BETTER_AUTH_URL), AUTH_SECRET or NEXTAUTH_SECRET to the secret of your "
    "front end, or list `issuers` in a file"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentIssuers:
    """The issuers that a start without a file has, as raw settings."""

    issuers: list[Raw]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]


def defaults(environ: Mapping[str, str], problems: list[Problem]) -> Raw:
    """Return the defaults of the image (AUTHGATE_IN_CONTAINER), beneath the file: nobody reaches loopback there."""
    switch = environ.get("AUTHGATE_IN_CONTAINER", "")
    if switch not in {"", "true", "false"}:
        problems.append(
            Problem(setting="AUTHGATE_IN_CONTAINER", message="is neither true nor false", fix="it is set in the image")
        )
    if switch != "true":
        return {}
    return {"listen": "0.0.0.0:4190", "admin": {"listen": "0.0.0.0:4191"}}


def overlay(environ: Mapping[str, str]) -> tuple[Raw, list[Problem]]:
    """Return the settings in AUTHGATE_* variables (two underscores nest) and what is wrong with them."""
    raw: Raw = {}
    problems: list[Problem] = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in _OTHERS or _is_service_link(variable, environ[variable]):
            continue
        path = variable.removeprefix(PREFIX).lower().split("__")
        annotation = _annotation(path)
        if annotation is None:
            known = [*_OTHERS, *_SECRETS, *(PREFIX + name.upper() for name in _names(Config))]
            fix = did_you_mean(variable.replace(f"{PREFIX}JWT", "JWT"), known)
            if path[0] in IssuerConfig.model_fields:
                fix = "it is a setting of an issuer: list `issuers` in a file, or in AUTHGATE_ISSUERS"
            problems.append(Problem(setting=variable, message="is not a setting", fix=fix))
            continue
        try:
            value = _value(environ[variable], annotation)
        except _yaml.BadYaml as error:
            fix = "write a list as [a, b] or a,b, a mapping as {a: b}"
            problems.append(Problem(setting=variable, message=f"is not valid YAML: {error}", fix=fix))
            continue
        target = raw
        for step in path[:-1]:
            target = target.setdefault(step, {})
            if not isinstance(target, dict):  # AUTHGATE_LOG sorts, and so comes, before AUTHGATE_LOG__FORMAT
                message = f"is set beside {PREFIX}{step.upper()}, which takes the whole of `{step}`"
                problems.append(Problem(setting=variable, message=message, fix=f"unset {PREFIX}{step.upper()}"))
                break
        else:
            target[path[-1]] = value
    return raw, problems


def issuers(environ: Mapping[str, str]) -> EnvironmentIssuers:
    """Return the issuers that the secrets in the environment stand for."""
    found = [name for name in _SECRETS if environ.get(name)]
    if not found:
        return EnvironmentIssuers(issuers=[], problems=(_no_secret(environ),), warnings=())
    problems = [problem for group in _GROUPS for problem in _conflict(group, environ)]
    unfit = [problem for name in (*_URLS.values(), "BETTER_AUTH_URL") for problem in _url_problems(name, environ)]
    environ = {name: value for name, value in environ.items() if name not in {problem.setting for problem in unfit}}
    raws: list[Raw] = []
    better_auth = next((name for name in _BETTER_AUTH if environ.get(name)), None)
    if better_auth is not None:
        raws.append(_better_auth(better_auth, environ))
    # Beside several secrets the single one is an older one, which opens what was encrypted under it and signs no more.
    signing = _JWT if any(environ.get(name) for name in _SEVERAL) else (*_JWT, *_BETTER_AUTH)
    jwt = next((name for name in signing if environ.get(name)), None)
    warnings: list[str] = []
    if jwt is not None:
        raws.append(_jwt(jwt, environ))
        if not environ.get("AUTHGATE_AUDIENCE"):
            warnings.append(
                f"JWTs (HS256) for any audience signed under {jwt} pass: "
                "set AUTHGATE_AUDIENCE to the `aud` of your API's tokens"
            )
    raws += [raw for preset in ("authjs", "nextauth-v4") if (raw := _authjs(preset, environ)) is not None]
    warnings += [
        f"{name} has no effect: it is for JWTs under JWT_SECRET or BETTER_AUTH_SECRET"
        for name in _FOR_NO_FILE
        if jwt is None and environ.get(name)
    ]
    if better_auth is None and environ.get("BETTER_AUTH_URL"):
        warnings.append("BETTER_AUTH_URL is set, but without BETTER_AUTH_SECRET no session of Better Auth can be read")
    warnings += [f"{name} is set, and has no effect: did you mean {near}?" for name, near in _slips(environ)]
    return EnvironmentIssuers(issuers=raws, problems=(*problems, *unfit), warnings=tuple(warnings))


def _url_problems(name: str, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with the front end's address in the variable *name*, as people write it there."""
    url = environ.get(name)
    if url and (url != url.strip() or url[:1] in {'"', "'"}):
        yield Problem(setting=name, message="is in quotation marks, or in white space", fix="take them off")
    elif url and url_fault(url, allow_http=True):
        yield Problem(setting=name, message=f"{shown(url)} is no address of a front end", fix=_FIX_ADDRESS)


def _slips(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the variables that are nearly one that counts, and which."""
    known = [*_SECRETS, *_URLS.values(), "BETTER_AUTH_URL"]
    for name in sorted(environ):
        if name not in known and name.startswith(("BETTER_AUTH_", "NEXTAUTH_")):
            near = get_close_matches(name, known, n=1, cutoff=0.9)
            if near and not environ.get(near[0]):
                yield name, near[0]


def _no_secret(environ: Mapping[str, str]) -> Problem:
    """Return the problem of an environment in which nothing could be verified, with what comes close."""
    present = [f"{name} is set, but empty" for name in _SECRETS if name in environ]
    near = [name for name in environ if get_close_matches(name, _SECRETS, n=1, cutoff=0.8) and name not in _SECRETS]
    present += [f"{name} is set: did you mean {get_close_matches(name, _SECRETS, n=1)[0]}?" for name in sorted(near)]
    message = "there is no key at all, so nothing could be verified" + "".join(f"; {text}" for text in present)
    return Problem(setting="issuers", message=message, fix=_HOW_TO_START)


def _jwt(variable: str, environ: Mapping[str, str]) -> Raw:
    audience = environ.get("AUTHGATE_AUDIENCE")
    return {
        "name": "jwt",
        "preset": "jwt",
        **_secret_in(variable, environ),
        "audiences": [one.strip() for one in audience.split(",") if one.strip()] if audience else "any",
        "issuer": environ.get("AUTHGATE_ISSUER") or None,
    }


def _better_auth(variable: str, environ: Mapping[str, str]) -> Raw:
    url, legacy = environ.get("BETTER_AUTH_URL"), environ.get("BETTER_AUTH_SECRET")
    raw: Raw = {"name": "better-auth", "preset": "better-auth", **_secret_in(variable, environ)}
    if variable == "BETTER_AUTH_SECRETS" and legacy:  # Better Auth still opens what was encrypted under it
        with contextlib.suppress(BadKey):  # told with the rest
            listed = [os.fsdecode(secret) for secret in parse_versioned(os.fsencode(environ[variable]))]
            raw = {"name": "better-auth", "preset": "better-auth", "secrets": [*dict.fromkeys([*listed, legacy])]}
    if url:  # who wrote http there for Better Auth means it: the start-up log warns of it
        raw |= {"url": url, **({"allow_http": True} if url.lower().startswith("http:") else {})}
    return raw


def _authjs(preset: str, environ: Mapping[str, str]) -> Raw | None:
    variables = [name for name in _OF_PRESET[preset] if environ.get(name)]
    if not variables:
        return None
    raw: Raw = {"name": preset, "preset": preset}
    if len(variables) > 1:  # the first, with the highest number, encrypts (lib/utils/env.js)
        raw["secrets"] = [environ[name] for name in variables]
    else:
        raw |= _secret_in(variables[0], environ)
    url = environ.get(_URLS[preset])
    return raw | ({"url": url} if url else {})


def _secret_in(variable: str, environ: Mapping[str, str]) -> Raw:
    """Return the setting of an issuer that says that its secret is in *variable*."""
    setting = "secrets" if variable in _SEVERAL else "secret"
    if variable.endswith("_FILE"):
        return {f"{setting}_file": environ[variable]}
    return {f"{setting}_env": variable}


def _conflict(group: tuple[str, ...], environ: Mapping[str, str]) -> tuple[Problem, ...]:
    """Return the problem of more than one secret for one thing, unless two variables hold the same one."""
    set_ones = [name for name in group if environ.get(name)]
    both = " and ".join(set_ones)
    if set_ones == ["JWT_SECRET", "BETTER_AUTH_SECRET"]:
        if environ["JWT_SECRET"] == environ["BETTER_AUTH_SECRET"]:
            return ()
        fix = "if they are meant to be one secret, copy the one that signs to both; if not, list two issuers in a file"
        return (Problem(setting=both, message="are both set and different", fix=fix),)
    if len(set_ones) > 1:
        return (Problem(setting=both, message="are set at once", fix="keep one of them"),)
    return ()


def unused_with_file(environ: Mapping[str, str]) -> list[Problem]:
    """Return the variables that mean nothing beside a file that lists issuers, but look as if they did."""
    return [
        Problem(
            setting=name, message="has no effect: the file lists issuers", fix=f"set `{setting}` of the issuer instead"
        )
        for name, setting in _FOR_NO_FILE.items()
        if environ.get(name)
    ]


def unused_proxies(environ: Mapping[str, str], issuers: Iterable[IssuerConfig]) -> tuple[str, ...]:
    """Return a sentence, if any, on keys that are fetched past the proxy that other programs would take."""
    set_ones = " and ".join(name for name in _PROXIES if environ.get(name))
    names = ", ".join(issuer.name for issuer in issuers if issuer.fetches_keys and issuer.outbound_proxy is None)
    if not (set_ones and names):
        return ()
    return (f"{set_ones} is not used: the keys of {names} are fetched directly; set outbound_proxy to use a proxy",)


def group(name: str, within: type[BaseModel] = Config) -> type[BaseModel] | None:
    """Return the model of the setting *name* of *within* if it is a group of settings (`log` is, `headers` not)."""
    return group_of(within.model_fields[name].annotation) if name in within.model_fields else None


def _is_service_link(variable: str, value: str) -> bool:
    if variable.endswith("_PORT") and _SERVICE_LINK_URL.fullmatch(value):
        return True
    return bool(_SERVICE_LINK.fullmatch(variable))


def _annotation(path: list[str]) -> Any:  # noqa: ANN401 - a type of any form
    """Return the type of the setting at *path*, or None where there is no such setting."""
    annotation: Any = Config
    for step in path:
        model = group_of(annotation)
        if model is None or step not in model.model_fields:
            return None
        annotation = model.model_fields[step].annotation
    return annotation


def _value(text: str, annotation: Any) -> Any:  # noqa: ANN401 - a setting of any type
    if get_origin(annotation) is Literal and text.isdecimal():
        return int(text)  # the one thing that pydantic does not turn: a literal number
    is_mapping = get_origin(annotation) is dict or group_of(annotation) is not None
    if not is_list(annotation) and not is_mapping:
        # pydantic turns "true" and "30" into what the setting needs.
        return text
    if is_list(annotation) and not text.lstrip().startswith("["):
        return [one.strip() for one in text.split(",") if one.strip()]
    return _yaml.parse(text)


def _names(model: type[BaseModel], prefix: str = "") -> list[str]:
    names = []
    for name, info in model.model_fields.items():
        inner = group_of(info.annotation)
        if inner is not None:
            names.extend(_names(inner, f"{prefix}{name}__"))
        else:
            names.append(prefix + name)
    return names
