"""Settings from environment variables: AUTHGATE_* over those of the file, and the issuers of a start without a file."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, get_origin

from authgate.config import _secrets, _yaml
from authgate.config._annotations import group_of, is_list
from authgate.config._issuer_secrets import secret_problems
from authgate.config._outbound import redacted
from authgate.config._report import Raw, did_you_mean
from authgate.config.issuer_model import IssuerConfig
from authgate.config.model import Config
from authgate.core.errors import Problem
from authgate.core.urls import url_fault
from authgate.tokens.derived import parse_versioned
from authgate.tokens.jwk import MAX_DOCUMENT_BYTES, BadKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import BaseModel

PREFIX = "AUTHGATE_"

# Variables that are not settings of the model.
_NOT_SETTINGS = {"AUTHGATE_CONFIG", "AUTHGATE_AUDIENCE", "AUTHGATE_ISSUER", "AUTHGATE_IN_CONTAINER"}

# Kubernetes sets these in every pod for a Service whose name begins with "authgate" (Docker's old links do the same).
_SERVICE_LINK = re.compile(
    r"AUTHGATE_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_SERVICE_LINK_URL = re.compile(r"(?:tcp|udp|sctp)://\S+")

# The variables that hold secrets; those of _SEVERAL hold several (2:new,1:old).
_JWT = ("JWT_SECRET", "JWT_SECRET_FILE")
_SEVERAL = ("BETTER_AUTH_SECRETS", "BETTER_AUTH_SECRETS_FILE")
_BETTER_AUTH = (*_SEVERAL, "BETTER_AUTH_SECRET", "BETTER_AUTH_SECRET_FILE")
_AUTHJS = {
    "authjs": ("AUTH_SECRET_3", "AUTH_SECRET_2", "AUTH_SECRET_1", "AUTH_SECRET", "AUTH_SECRET_FILE"),
    "nextauth-v4": ("NEXTAUTH_SECRET", "NEXTAUTH_SECRET_FILE"),
}
_AUTHJS_URLS = {"authjs": "AUTH_URL", "nextauth-v4": "NEXTAUTH_URL"}
_SECRETS = (*_JWT, *_BETTER_AUTH, *_AUTHJS["authjs"], *_AUTHJS["nextauth-v4"])
_URLS = (*_AUTHJS_URLS.values(), "BETTER_AUTH_URL")
# At most one variable of each group may be set.
_GROUPS = (
    ("JWT_SECRET", "BETTER_AUTH_SECRET", "JWT_SECRET_FILE", "BETTER_AUTH_SECRET_FILE"),
    _SEVERAL,
    ("BETTER_AUTH_SECRETS_FILE", "BETTER_AUTH_SECRET"),
    *((name, "AUTH_SECRET_FILE") for name in _AUTHJS["authjs"][:-1]),
    _AUTHJS["nextauth-v4"],
)
_FIX_URL = "write it like http://localhost:3000 or https://app.example.com"
_ONLY_WITHOUT_FILE = {"AUTHGATE_AUDIENCE": "audiences", "AUTHGATE_ISSUER": "issuer"}
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_HOW_TO_START = (
    "set JWT_SECRET, BETTER_AUTH_SECRET (with BETTER_AUTH_URL), AUTH_SECRET or NEXTAUTH_SECRET to the secret of your "
    "front end, or list `issuers` in a file"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentIssuers:
    """The issuers of a start without a file, as raw settings."""

    issuers: list[Raw]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]


def defaults(environ: Mapping[str, str], problems: list[Problem]) -> Raw:
    """Return the defaults of the image (AUTHGATE_IN_CONTAINER): no other container reaches loopback in it."""
    switch = environ.get("AUTHGATE_IN_CONTAINER", "")
    if switch not in {"", "true", "false"}:
        message = f"{redacted(switch)} is neither true nor false"
        problems.append(Problem(setting="AUTHGATE_IN_CONTAINER", message=message, fix="leave it as the image sets it"))
    if switch != "true":
        return {}
    return {"listen": "0.0.0.0:4190", "admin": {"listen": "0.0.0.0:4191"}}


def overlay(environ: Mapping[str, str]) -> tuple[Raw, list[Problem]]:
    """Return the settings in AUTHGATE_* variables, in which two underscores nest, and what is wrong with them."""
    raw: Raw = {}
    problems: list[Problem] = []
    for variable in sorted(environ):
        is_other = variable in _NOT_SETTINGS or _is_service_link(variable, environ[variable])
        if not variable.startswith(PREFIX) or is_other:
            continue
        path = variable.removeprefix(PREFIX).lower().split("__")
        annotation = _annotation(path)
        if annotation is None:
            problems.append(_unknown(variable, path))
            continue
        try:
            value, repeated_keys = _value(environ[variable], annotation)
        except _yaml.BadYaml as error:
            fix = "write a list as [a, b] or a,b, and a mapping as {a: b}"
            problems.append(Problem(setting=variable, message=f"is not valid YAML: {error}", fix=fix))
            continue
        problems += [Problem(setting=variable, message=message, fix=_yaml.FIX_REPEATED) for message in repeated_keys]
        target = raw
        for step in path[:-1]:
            target = target.setdefault(step, {})
            if not isinstance(target, dict):  # AUTHGATE_LOG sorts before AUTHGATE_LOG__FORMAT, so it was set first
                whole = PREFIX + step.upper()
                message = f"cannot be set together with {whole}, which sets all of `{step}`"
                problems.append(Problem(setting=variable, message=message, fix=f"unset {whole}"))
                break
        else:
            target[path[-1]] = value
    return raw, problems


def _unknown(variable: str, path: list[str]) -> Problem:
    """Return the problem of a *variable* that sets nothing."""
    names = [*_NOT_SETTINGS, *_SECRETS, *(PREFIX + name.upper() for name in _names(Config))]
    fix = did_you_mean(variable.replace(f"{PREFIX}JWT", "JWT"), names)
    if path[0] in IssuerConfig.model_fields:
        fix = "it is a setting of an issuer: list `issuers` in a file, or in AUTHGATE_ISSUERS"
    return Problem(setting=variable, message="is not a setting", fix=fix)


def issuers(environ: Mapping[str, str]) -> EnvironmentIssuers:
    """Return the issuers whose secrets are in the environment."""
    url_problems = [problem for name in _URLS for problem in _url_problems(name, environ)]
    if not any(environ.get(name) for name in _SECRETS):
        return EnvironmentIssuers(issuers=[], problems=(_no_secret(environ), *url_problems), warnings=())
    problems = [problem for group in _GROUPS for problem in _conflict(group, environ)]
    environ = {name: value for name, value in environ.items() if name not in {one.setting for one in url_problems}}
    raws: list[Raw] = []
    better_auth = next((name for name in _BETTER_AUTH if environ.get(name)), None)
    if better_auth is not None:
        raws.append(_better_auth(better_auth, environ))
    # Beside BETTER_AUTH_SECRETS, BETTER_AUTH_SECRET is an older secret: it opens what was encrypted under it, and must
    # not sign anything.
    signing = _JWT if any(environ.get(name) for name in _SEVERAL) else (*_JWT, *_BETTER_AUTH)
    jwt = next((name for name in signing if environ.get(name)), None)
    if jwt is not None:
        raws.append(_jwt(jwt, environ))
    raws += [raw for preset in _AUTHJS if (raw := _authjs(preset, environ)) is not None]
    problems += [*url_problems, *_unread_secret_problems(raws, environ)]
    warnings = _warnings(better_auth, jwt, environ)
    return EnvironmentIssuers(issuers=raws, problems=tuple(problems), warnings=tuple(warnings))


def _warnings(better_auth: str | None, jwt: str | None, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what is probably not meant. *better_auth* and *jwt* are the variables of their secrets."""
    if jwt is not None and not environ.get("AUTHGATE_AUDIENCE"):
        yield (
            f"JWTs (HS256) for any audience signed under {jwt} are accepted: "
            "set AUTHGATE_AUDIENCE to the `aud` of your API's tokens"
        )
    for name in _ONLY_WITHOUT_FILE:
        if jwt is None and environ.get(name):
            yield f"{name} has no effect: it is for JWTs under JWT_SECRET or BETTER_AUTH_SECRET"
    if better_auth is None and environ.get("BETTER_AUTH_URL"):
        yield "BETTER_AUTH_URL is set, but without BETTER_AUTH_SECRET no session of Better Auth can be read"
    for name, meant in _misspelled(environ):
        yield f"{name} is set, and has no effect: did you mean {meant}?"


def _url_problems(name: str, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with the front end's URL in the variable *name*."""
    url = environ.get(name)
    if url and (url != url.strip() or url[:1] in {'"', "'"}):
        fix = "remove the quotation marks and the white space"
        yield Problem(setting=name, message="is in quotation marks, or has white space around it", fix=fix)
    elif url and url_fault(url, allow_http=True):
        yield Problem(setting=name, message=f"{redacted(url, 200)} is not the URL of a front end", fix=_FIX_URL)


def _unread_secret_problems(raws: list[Raw], environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with secrets that no issuer of *raws* reads because of a problem with another variable."""
    paths = {raw.get(name) for raw in raws for name in ("secret_file", "secrets_file")}
    conflicts = {name for group in _GROUPS if _conflict(group, environ) for name in group if environ.get(name)}
    for name in _SECRETS:
        if name in conflicts and name.endswith("_FILE") and environ[name] not in paths:
            problems: list[Problem] = []
            content = _secrets.from_file(environ[name], name, problems, MAX_DOCUMENT_BYTES)
            yield from problems
            if content and name not in _SEVERAL:
                yield from secret_problems((content,), name)
    older = environ.get("BETTER_AUTH_SECRET")
    if older and any(raw.get("secrets_env") == "BETTER_AUTH_SECRETS" for raw in raws):  # which cannot be parsed
        yield from secret_problems((os.fsencode(older),), "BETTER_AUTH_SECRET")


def _misspelled(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the variables that nearly have the name of another one that would count, with that name."""
    known = [*_SECRETS, *_URLS]
    for name in sorted(environ):
        if name not in known and name.startswith(("BETTER_AUTH_", "NEXTAUTH_")):
            close = get_close_matches(name, known, n=1, cutoff=0.9)
            if close and not environ.get(close[0]):
                yield name, close[0]


def _no_secret(environ: Mapping[str, str]) -> Problem:
    """Return the problem of an environment without any secret, with the variables that come close to one."""
    hints = [f"{name} is set, but empty" for name in _SECRETS if name in environ]
    for name in sorted(environ):
        close = get_close_matches(name, _SECRETS, n=1, cutoff=0.8) if name not in _SECRETS else []
        hints += [f"{name} is set: did you mean {meant}?" for meant in close]
    message = "there is no key at all, so no token could be verified" + "".join(f"; {hint}" for hint in hints)
    return Problem(setting="issuers", message=message, fix=_HOW_TO_START)


def _jwt(variable: str, environ: Mapping[str, str]) -> Raw:
    audience = environ.get("AUTHGATE_AUDIENCE")
    return {
        "name": "jwt",
        "preset": "jwt",
        **_secret_in(variable, environ),
        "audiences": _split(audience) if audience else "any",
        "issuer": environ.get("AUTHGATE_ISSUER") or None,
    }


def _better_auth(variable: str, environ: Mapping[str, str]) -> Raw:
    url, older = environ.get("BETTER_AUTH_URL"), environ.get("BETTER_AUTH_SECRET")
    raw: Raw = {"name": "better-auth", "preset": "better-auth", **_secret_in(variable, environ)}
    if variable == "BETTER_AUTH_SECRETS" and older:  # Better Auth still opens what was encrypted under it
        with contextlib.suppress(BadKey):  # `read_issuer` reports it
            listed = [os.fsdecode(secret) for secret in parse_versioned(os.fsencode(environ[variable]))]
            raw = {"name": "better-auth", "preset": "better-auth", "secrets": [*dict.fromkeys([*listed, older])]}
    if url:  # plain http in Better Auth's own variable is meant: the start-up log warns of it
        raw |= {"url": url, **({"allow_http": True} if url.lower().startswith("http:") else {})}
    return raw


def _authjs(preset: str, environ: Mapping[str, str]) -> Raw | None:
    variables = [name for name in _AUTHJS[preset] if environ.get(name)]
    if not variables:
        return None
    raw: Raw = {"name": preset, "preset": preset}
    values = [environ[name] for name in variables if not name.endswith("_FILE")]
    if len(values) > 1:  # the first, with the highest number, encrypts (lib/utils/env.js)
        raw["secrets"] = values
    else:
        raw |= _secret_in(variables[0], environ)
    url = environ.get(_AUTHJS_URLS[preset])
    return raw | ({"url": url} if url else {})


def _secret_in(variable: str, environ: Mapping[str, str]) -> Raw:
    """Return the issuer's setting for a secret in *variable*."""
    setting = "secrets" if variable in _SEVERAL else "secret"
    if variable.endswith("_FILE"):
        return {f"{setting}_file": environ[variable]}
    return {f"{setting}_env": variable}


def _conflict(group: tuple[str, ...], environ: Mapping[str, str]) -> tuple[Problem, ...]:
    """Return the problem of two variables for one secret, unless they have the same value."""
    names = [name for name in group if environ.get(name)]
    both = " and ".join(names)
    if names == ["JWT_SECRET", "BETTER_AUTH_SECRET"]:
        if environ["JWT_SECRET"] == environ["BETTER_AUTH_SECRET"]:
            return ()
        fix = "for one secret, copy that of the side that signs to both; for two, list two issuers in a file"
        return (Problem(setting=both, message="are both set, with different values", fix=fix),)
    if len(names) > 1:
        return (Problem(setting=both, message="cannot be set together", fix="keep one of them"),)
    return ()


def unused_with_file(environ: Mapping[str, str]) -> list[Problem]:
    """Return the problems of variables that have no effect together with a file that lists issuers."""
    message = "has no effect: the configuration lists issuers"
    return [
        Problem(setting=name, message=message, fix=f"set `{setting}` of the issuer instead")
        for name, setting in _ONLY_WITHOUT_FILE.items()
        if environ.get(name)
    ]


def unused_proxies(environ: Mapping[str, str], issuers: Iterable[IssuerConfig]) -> tuple[str, ...]:
    """Return a warning, if any, that AuthGate ignores the proxy variables that other programs use."""
    variables = " and ".join(name for name in _PROXIES if environ.get(name))
    names = ", ".join(issuer.name for issuer in issuers if issuer.fetches_keys and issuer.outbound_proxy is None)
    if not (variables and names):
        return ()
    return (f"{variables} is not used: the keys of {names} are fetched directly; set outbound_proxy to use a proxy",)


def group(name: str, within: type[BaseModel] = Config) -> type[BaseModel] | None:
    """Return the model of the setting *name* of *within* if it is a group of settings (`log` is, `headers` is not)."""
    return group_of(within.model_fields[name].annotation) if name in within.model_fields else None


def _is_service_link(variable: str, value: str) -> bool:
    if variable.endswith("_PORT") and _SERVICE_LINK_URL.fullmatch(value):
        return True
    return bool(_SERVICE_LINK.fullmatch(variable))


def _annotation(path: list[str]) -> Any:  # noqa: ANN401 - a type of any form
    """Return the type of the setting at *path*; None where there is none."""
    annotation: Any = Config
    for step in path:
        model = group_of(annotation)
        if model is None or step not in model.model_fields:
            return None
        annotation = model.model_fields[step].annotation
    return annotation


def _value(text: str, annotation: Any) -> tuple[Any, tuple[str, ...]]:  # noqa: ANN401 - a setting of any type
    """Return the value that *text* is for a setting of this type, and a message for each repeated key in it."""
    if get_origin(annotation) is Literal and text.isdecimal():
        return int(text), ()  # pydantic does not convert text to a number of a Literal
    is_mapping = get_origin(annotation) is dict or group_of(annotation) is not None
    if not is_list(annotation) and not is_mapping:
        return text, ()  # pydantic converts "true" and "30"
    if is_list(annotation) and not text.lstrip().startswith("["):
        return _split(text), ()
    return _yaml.parse(text)


def _split(text: str) -> list[str]:
    """Return the elements of *text* between commas."""
    return [element.strip() for element in text.split(",") if element.strip()]


def _names(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return the names of all settings of *model*, nested ones with two underscores."""
    names = []
    for name, info in model.model_fields.items():
        inner = group_of(info.annotation)
        if inner is not None:
            names.extend(_names(inner, f"{prefix}{name}__"))
        else:
            names.append(prefix + name)
    return names
