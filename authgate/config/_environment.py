"""Settings from environment variables: AUTHGATE_* over those of the file, and the issuers of a start without a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, get_origin

from authgate.config import _secrets, _yaml
from authgate.config._annotations import group_of, is_list
from authgate.config._outbound import redacted
from authgate.config._report import Raw, did_you_mean
from authgate.config.listening import ADMIN_LISTEN_IN_CONTAINER, LISTEN_IN_CONTAINER
from authgate.config.model import Config
from authgate.core.errors import MAX_PROBLEMS, Problem
from authgate.core.urls import url_fault
from authgate.presets import PRESETS
from authgate.presets.preset import several_urls
from authgate.tokens.jwk import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import BaseModel

    from authgate.presets.settings import IssuerSettings

PREFIX = "AUTHGATE_"

# Kubernetes sets these in every pod for a Service whose name begins with "authgate" (Docker's old links do the same).
_SERVICE_LINK = re.compile(
    r"AUTHGATE_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_SERVICE_LINK_URL = re.compile(r"(?:tcp|udp|sctp)://\S+")

_FIX_URL = "write it like http://localhost:3000 or https://app.example.com"
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_VARIABLES = [preset.variables for preset in PRESETS.values() if preset.variables is not None]
_SECRETS = tuple(name for variables in _VARIABLES for name in variables.secrets)
_URLS = tuple(name for variables in _VARIABLES for name in variables.urls)
_SEVERAL_URLS = frozenset(name for variables in _VARIABLES if variables.has_several_urls for name in variables.urls)
_RIVALS = tuple(group for variables in _VARIABLES for group in variables.rivals)
_ONLY_WITHOUT_FILE = {name: setting for one in _VARIABLES for name, setting in one.only_without_file.items()}
# Variables that are not settings of the model.
_NOT_SETTINGS = {"AUTHGATE_CONFIG", "AUTHGATE_IN_CONTAINER", *_ONLY_WITHOUT_FILE}


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
    return {"listen": LISTEN_IN_CONTAINER, "admin": {"listen": ADMIN_LISTEN_IN_CONTAINER}}


def overlay(environ: Mapping[str, str]) -> tuple[Raw, list[Problem]]:
    """Return the settings in AUTHGATE_* variables, in which two underscores nest, and what is wrong with them."""
    raw: Raw = {}
    problems: list[Problem] = []
    for variable in sorted(environ):
        if len(problems) >= MAX_PROBLEMS:
            break
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
            fix = error.own_fix or "write a list as [a, b] or a,b, and a mapping as {a: b}"
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
    if any(preset.settings.takes(path[0]) for preset in PRESETS.values()):
        fix = "it is a setting of an issuer: list `issuers` in a file, or in AUTHGATE_ISSUERS"
    return Problem(setting=variable, message="is not a setting", fix=fix)


def issuers(environ: Mapping[str, str]) -> EnvironmentIssuers:
    """Return the issuers whose secrets are in the environment."""
    url_problems = [problem for name in _URLS for problem in _url_problems(name, environ)]
    if not any(environ.get(name) for name in _SECRETS):
        return EnvironmentIssuers(issuers=[], problems=(_no_secret(environ), *url_problems), warnings=())
    problems = [problem for group in _RIVALS for problem in _conflict(group, environ)]
    environ = {name: value for name, value in environ.items() if name not in {one.setting for one in url_problems}}
    found = [(variables, variables.issuer(environ)) for variables in _VARIABLES]
    raws = [raw for _, raw in found if raw is not None]
    problems += [*url_problems, *_unread_secret_problems(raws, environ)]
    problems += [problem for variables, raw in found for problem in variables.problems(environ, raw)]
    warnings = [warning for variables, raw in found for warning in variables.warnings(environ, raw)]
    warnings += [f"{name} is set, and has no effect: did you mean {meant}?" for name, meant in _misspelled(environ)]
    return EnvironmentIssuers(issuers=raws, problems=tuple(problems), warnings=tuple(warnings))


def _url_problems(name: str, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with the front end's URL in the variable *name*."""
    url = environ.get(name)
    if not url:
        return
    if url != url.strip() or url[:1] in {'"', "'"}:
        fix = "remove the quotation marks and the white space"
        yield Problem(setting=name, message="is in quotation marks, or has white space around it", fix=fix)
        return
    for each in several_urls(url) if name in _SEVERAL_URLS else [url]:
        if url_fault(each, allow_http=True):
            yield Problem(setting=name, message=f"{redacted(each, 200)} is not the URL of a front end", fix=_FIX_URL)


def _unread_secret_problems(raws: list[Raw], environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with secrets that no issuer of *raws* reads because of a problem with another variable."""
    paths = {raw.get(name) for raw in raws for name in ("secret_file", "secrets_file")}
    conflicts = {name for group in _RIVALS if _conflict(group, environ) for name in group if environ.get(name)}
    several = {name for variables in _VARIABLES for name in variables.several}
    for name in _SECRETS:
        if name in conflicts and name.endswith("_FILE") and environ[name] not in paths:
            problems: list[Problem] = []
            content = _secrets.from_file(environ[name], name, problems, MAX_DOCUMENT_BYTES)
            yield from problems
            if content and name not in several:
                yield from _secrets.secret_problems((content,), name)


def _misspelled(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the variables that nearly have the name of another one that would count, with that name."""
    known = [*_SECRETS, *_URLS]
    prefixes = tuple(variables.prefix for variables in _VARIABLES if variables.prefix)
    for name in sorted(environ):
        if name not in known and name.startswith(prefixes):
            close = get_close_matches(name, known, n=1, cutoff=0.9)
            if close and not environ.get(close[0]):
                yield name, close[0]


def _no_secret(environ: Mapping[str, str]) -> Problem:
    """Return the problem of an environment without any secret, with the variables that come close to one."""
    hints = [f"{name} is set, but empty" for name in _SECRETS if name in environ]
    for name in sorted(environ):
        close = get_close_matches(name, _SECRETS, n=1, cutoff=0.8) if name not in _SECRETS else []
        hints += [f"{name} is set: did you mean {meant}?" for meant in close]
    message = "there is no key at all, so no token could be verified" + "".join(f"; {hint}" for hint in hints[:5])
    return Problem(setting="issuers", message=message, fix=_how_to_start())


def _how_to_start() -> str:
    """Return which variables to set."""
    names = [one.usual + (f" (with {one.urls[0]})" if one.urls else "") for one in _VARIABLES]
    return f"set {', '.join(names)} to the secret of your front end, or list `issuers` in a file"


def _conflict(group: tuple[str, ...], environ: Mapping[str, str]) -> tuple[Problem, ...]:
    """Return the problem of two variables for one secret, unless they have the same value."""
    names = [name for name in group if environ.get(name)]
    both = " and ".join(names)
    if len(names) == 2 and not any(name.endswith("_FILE") for name in names):
        if environ[names[0]] == environ[names[1]]:
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


def unused_proxies(environ: Mapping[str, str], issuers: Iterable[IssuerSettings]) -> tuple[str, ...]:
    """Return a warning, if any, that AuthGate ignores the proxy variables that other programs use."""
    variables = " and ".join(name for name in _PROXIES if environ.get(name))
    names = ", ".join(
        issuer.name for issuer in issuers if issuer.fetches_keys and issuer.given("outbound_proxy") is None
    )
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
