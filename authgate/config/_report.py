"""Turn pydantic's errors into problems: the setting, its value, what is wrong with it, and how to fix it.

A value is quoted unless it may hold a secret. Values of secret settings, lists, mappings, and values where a group of
settings is expected are never quoted.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from pydantic import SecretStr, ValidationError

from authgate.config._annotations import annotation_at, choices_of, group_of, members, tagged
from authgate.config._descriptions import described_fields
from authgate.config._outbound import redacted
from authgate.config._secret_forms import NOT_SHOWN, known_secret
from authgate.core.errors import MAX_PROBLEMS, Problem, more_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    from authgate.config._annotations import Path, Tagged

# Settings as they were read, before they are validated.
Raw: TypeAlias = dict[str, Any]

# A sound secret has at least 32 bytes. Another name may be a secret, or `secret:value` without the space.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,31}")
# Other keys of mappings, such as claim paths, may hold a URL with a password.
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_DOCS = "docs/configuration.md describes it"
# How many mistakes of one validation are looked at, and how many names are listed in one message.
_MAX_MISTAKES = 10 * MAX_PROBLEMS
_MAX_NAMES = 50
# A longer name is like no other. To compare two names takes as many steps as the product of their lengths.
_MAX_NAME_CHARACTERS = 100
_WHOLE = "configuration"

# How pydantic begins the name of a union's branch.
_BRANCHES = ("literal[", "list[", "constrained", "lax-or-strict[", "function-after[", "function-before[")

# What a setting takes, by the type of pydantic's error.
_TAKES: dict[str, tuple[str, ...]] = {
    "bool_type": ("true", "false"),
    "bool_parsing": ("true", "false"),
    "float_type": ("a number",),
    "float_parsing": ("a number",),
    "list_type": ("a list",),
    "string_type": ("text",),
    "string_unicode": ("text",),
    "dict_type": ("a mapping",),
    "model_type": ("a mapping",),
    "model_attributes_type": ("a mapping",),
}


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return the problems that *error* reports, which validating settings as *model* raised.

    There are MAX_PROBLEMS at most. If there are more, the last one counts the mistakes that are not listed.
    """
    mistakes = error.errors(include_url=False)
    groups: dict[tuple[Path, bool], list[ErrorDetails]] = defaultdict(list)
    for mistake in _mistakes(mistakes[:_MAX_MISTAKES], model):
        groups[setting_path(mistake["loc"], model), "[key]" in mistake["loc"]].append(mistake)
    # Every branch of a union reports its own mistake. An element that one branch reports says more than the others.
    vague = {path[:end] for path, _ in groups for end in range(len(path))}
    listed = [
        (path, mistakes)
        for (path, _), mistakes in groups.items()
        if not (path in vague and all(_in_union(mistake["loc"]) for mistake in mistakes))
    ]
    others = len(mistakes[_MAX_MISTAKES:]) + sum(len(mistakes) for _, mistakes in listed[MAX_PROBLEMS:])
    if not others:
        return [_problem(path, mistakes, model) for path, mistakes in listed]
    *shown, (_, last) = listed[:MAX_PROBLEMS]
    return [*(_problem(path, mistakes, model) for path, mistakes in shown), more_problems(others + len(last))]


def _mistakes(mistakes: list[ErrorDetails], model: type[BaseModel]) -> Iterator[ErrorDetails]:
    """Yield *mistakes*. Settings whose model is not known are checked against those of all models."""
    for mistake in mistakes:
        union = tagged(annotation_at(setting_path(mistake["loc"], model), model))
        if mistake["type"] not in {"union_tag_invalid", "union_tag_not_found"} or union is None:
            yield mistake
            continue
        try:
            union.otherwise.model_validate(mistake["input"])
        except ValidationError as inner:
            for one in inner.errors(include_url=False)[:_MAX_MISTAKES]:
                one["loc"] = (*mistake["loc"], *one["loc"])
                yield one


def setting_path(location: Iterable[int | str], model: type[BaseModel]) -> Path:
    """Return *location* without what pydantic adds: the branch of a union, and the mark of a mapping's key."""
    path: Path = ()
    for part in location:
        union = tagged(annotation_at(path, model))
        if not (_is_branch(part) or part == "[key]" or (union is not None and part in union.models)):
            path = (*path, part)
    return path


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return a question that names the closest of *known*, or a list of the first 50. Case makes no difference."""
    by_lower = {choice.lower(): choice for choice in known}
    close = get_close_matches(name[:_MAX_NAME_CHARACTERS].lower(), by_lower, n=1, cutoff=cutoff)
    if close:
        return f"did you mean {by_lower[close[0]]}?"
    names = [*by_lower.values()]
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"use one of {', '.join(names[:_MAX_NAMES])}{more}"


def scalar(value: object) -> str | None:
    """Return *value* as YAML writes it, quoted and cut short; None for lists and mappings."""
    if isinstance(value, str):
        return redacted(value)
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, int):
        with contextlib.suppress(ValueError):  # Python refuses to write out an integer of thousands of digits
            return str(value)[:80]
        return None
    return None if isinstance(value, (Mapping, Sequence, set)) else redacted(str(value))


def _problem(path: Path, mistakes: list[ErrorDetails], model: type[BaseModel]) -> Problem:
    """Return the problem of the setting at *path*. Settings of a marked union are described by the model chosen."""
    for end in range(len(path)):
        union = tagged(annotation_at(path[:end], model))
        tag = mistakes[-1]["loc"][end] if end < len(mistakes[-1]["loc"]) else None
        if union is not None:
            chosen = union.models.get(str(tag), union.otherwise)
            problem = _foreign(path[end:], mistakes[-1], str(tag), union)
            problem = problem or _problem(path[end:], mistakes, chosen)
            inner = "" if problem.setting == _WHOLE else f".{problem.setting}"
            return replace(problem, setting=_written(path[:end]) + inner)
    return _described(path, mistakes, model)


def _foreign(path: Path, mistake: ErrorDetails, tag: str, union: Tagged) -> Problem | None:
    """Return the problem of a setting that only other models of *union* have than the one chosen by *tag*."""
    owners = [name for name, model in union.models.items() if str(path[-1]) in _names_at(path[:-1], model)]
    if mistake["type"] != "extra_forbidden" or tag not in union.models or not owners:
        return None
    own = getattr(union.models[tag], "not_settings", {}).get(_written(path))
    fix = own or f"remove it; it is for {', '.join(owners)}"
    return Problem(setting=_written(path), message=f"does not apply to {union.setting} {tag}", fix=fix)


def _described(path: Path, mistakes: list[ErrorDetails], model: type[BaseModel]) -> Problem:
    mistake, name = mistakes[-1], str(path[-1]) if path else ""
    message, fix = "", _description(path, model) or _undescribed(mistake)
    if mistake["type"] == "extra_forbidden" and name.startswith("claims.") and "claims" in _names_at(path[:-1], model):
        path, message = (*path[:-1], "claims"), "takes the paths of claims within a mapping"
        fix = "write claims: {tenant.plan: {any_of: [pro]}}"
    elif mistake["type"] == "extra_forbidden" and (not _NAME.fullmatch(name) or known_secret(name)):
        path, message = path[:-1], f"holds a name that is not a setting {NOT_SHOWN}"
        fix = "write `name: value`, with a space after the colon"
    elif mistake["type"] == "extra_forbidden":
        own = getattr(_model_at(path[:-1], model), "not_settings", {})
        message, fix = "is not a setting", own.get(name) or _fix_name(name, path[:-1], model)
    elif mistake["type"] == "invalid_key":
        message, fix = "is not a setting", "the name of a setting is text"
    elif mistake["type"] == "missing":
        message, fix = "is missing", f"add it; {_DOCS}: {fix}"
    elif mistake["type"] == "value_error":  # from our own validators, which quote no secret
        message, _, own_fix = mistake["msg"].removeprefix("Value error, ").partition("\n")
        fix = own_fix or fix
    else:
        annotation = annotation_at(path, model)
        shown = None if _may_hold_secret(annotation) else scalar(mistake["input"])
        message = _message(mistakes, annotation, shown)
        fix = _fix(path, mistakes, model, shown) or fix
    return Problem(setting=_written(path) or _WHOLE, message=message, fix=fix)


def _message(mistakes: list[ErrorDetails], annotation: Any, shown: str | None) -> str:  # noqa: ANN401 - a type of any form
    """Return what is wrong with a value, which is *shown* unless it may hold a secret."""
    value, subject = mistakes[-1]["input"], f"{shown} " if shown and shown != "''" else ""
    for limit in filter(None, map(_limit, mistakes)):
        return subject + limit
    takes = _takes(mistakes, annotation)
    if not takes:
        return f"{subject}is not {'an allowed value' if mistakes[-1]['type'] == 'literal_error' else 'valid'}"
    if not subject:
        return f"is {_type_of(value)}, not {' or '.join(takes)}"
    return (
        f"{subject}is neither {', '.join(takes[:-1])} nor {takes[-1]}" if takes[1:] else f"{subject}is not {takes[0]}"
    )


def _fix(path: Path, mistakes: list[ErrorDetails], model: type[BaseModel], shown: str | None) -> str | None:
    """Return how to fix a value, where that is more than the description of its setting."""
    annotation, value = annotation_at(path, model), mistakes[-1]["input"]
    if any(map(_limit, mistakes)):
        return None
    if mistakes[-1]["type"] == "literal_error":
        return _fix_choice(str(path[-1]), value, annotation)
    takes = _takes(mistakes, annotation)
    if "a list" in takes:
        example = shown if shown not in {None, NOT_SHOWN} and isinstance(value, str) else "a, b"
        choices = "".join(f"; or write {choice}" for choice in choices_of(annotation))
        return f"write a list: [{example}], or each element on its own line after a dash{choices}"
    if (group := group_of(annotation)) is not None:
        names, example = _names_at(path, model), getattr(group, "example", "")
        beginning = f"write for example {example}. Its settings are" if example else "write a mapping of its settings:"
        return f"{beginning} {', '.join(names[:6])}{' …' if names[6:] else ''}"
    return "write true or false" if takes == ["true", "false"] else None


def _fix_name(name: str, path: Path, model: type[BaseModel]) -> str:
    """Return where *name* belongs, if exactly one group at *path* has a setting of that name, or a similar name."""
    names = _names_at(path, model)
    owners = [group for group in names if name in _names_at((*path, group), model)]
    return f"write it within {owners[0]}: {{{name}: …}}" if len(owners) == 1 else did_you_mean(name, names)


def _undescribed(mistake: ErrorDetails) -> str:
    """Return how to fix a value that no description is about, such as those in the lists of a rule."""
    if mistake["type"] == "too_short":
        return "list at least one value, or remove the setting"
    is_scalar = isinstance(mistake["input"], (bool, int, float))
    return "put the value in quotes" if mistake["type"] == "string_type" and is_scalar else _DOCS


def _fix_choice(name: str, value: object, annotation: Any) -> str:  # noqa: ANN401 - a type of any form
    """Return the choice that is closest to *value*, with all choices of the setting's own `Literal`."""
    if name == "workers":
        return "leave it out, or write workers: 1: this version runs one process"
    choices = ["true" if choice is True else str(choice) for choice in choices_of(annotation)]
    # A lower cutoff would suggest authjs for auth0, which is another product.
    fix = did_you_mean(str(value), choices, cutoff=0.75)
    if fix.startswith("did"):
        fix = f"{fix} The choices are {', '.join(choices)}"
    return f"{fix}; for any other issuer of signed JWTs write jwt" if name == "preset" else fix


def _limit(mistake: ErrorDetails) -> str | None:
    """Return which bound the value exceeds; None if the mistake is of another kind."""
    context = mistake.get("ctx", {})
    if isinstance(mistake["input"], float) and math.isnan(mistake["input"]):
        return "is not a number"
    if mistake["type"] == "greater_than_equal":
        return f"is less than {context['ge']:g}"
    if mistake["type"] == "less_than_equal":
        return f"is more than {context['le']:.10g}"
    if mistake["type"] in {"too_short", "string_too_short"}:  # every bound of this kind is 1
        return "is empty"
    if counted := {"too_long": "elements", "string_too_long": "characters"}.get(mistake["type"]):
        return f"has {len(mistake['input'])} {counted}; at most {context['max_length']} are allowed"
    return None


def _takes(mistakes: list[ErrorDetails], annotation: Any) -> list[str]:  # noqa: ANN401 - a type of any form
    """Return what the setting takes instead, by the mistakes of each branch of its type; none for a lone `Literal`."""
    words: dict[str, None] = {}
    for mistake in mistakes:
        if mistake["type"] != "literal_error":
            words |= dict.fromkeys(_TAKES.get(mistake["type"], ()))
        elif len(mistakes) > 1:
            words |= dict.fromkeys(f"`{choice}`" for choice in choices_of(annotation))
    return [*words]


def _type_of(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (Sequence, set)):
        return "a list"
    if value is None or isinstance(value, bool):
        return str(scalar(value))
    return "a number" if isinstance(value, (int, float)) else "of another type"


def _may_hold_secret(annotation: Any) -> bool:  # noqa: ANN401 - a type of any form
    """Whether a value of *annotation* is a secret, or a group of settings, which may hold one; or is unknown."""
    if annotation is None:
        return True
    for member in members(annotation):
        if isinstance(member, type) and (issubclass(member, SecretStr) or hasattr(member, "model_fields")):
            return True
        if any(_may_hold_secret(argument) for argument in get_args(member) if not isinstance(argument, (str, int))):
            return True
    return False


def _description(path: Path, model: type[BaseModel]) -> str:
    """Return how the model describes the setting at *path*, on one line and not at length."""
    for end in range(len(path), 0, -1):  # an element of a list or a mapping is described by its setting
        group = _model_at(path[: end - 1], model)
        if group is not None and path[end - 1] in group.model_fields:
            text = " ".join((described_fields(group)[str(path[end - 1])].description or "").split())
            return shortened(text)
    return ""


def shortened(text: str) -> str:
    """Return the first sentences of *text*: as many as 160 characters hold, and one at least."""
    short, *sentences = text.split(". ")
    for sentence in sentences:
        if len(short) + len(sentence) > 160:
            return short + "."
        short += ". " + sentence
    return short


def _names_at(path: Path, model: type[BaseModel]) -> list[str]:
    """Return the names of the settings that exist at *path*."""
    group = _model_at(path, model)
    return list(group.model_fields) if group else []


def _model_at(path: Path, model: type[BaseModel]) -> type[BaseModel] | None:
    """Return the model of the group at *path*; None where there is none."""
    return group_of(annotation_at(path, model))


def _in_union(location: Iterable[int | str]) -> bool:
    return any(_is_branch(part) for part in location)


def _is_branch(part: int | str) -> bool:
    # pydantic adds the branch of a union that it tried to the location: "literal['any']", "list[…]", "bool".
    return isinstance(part, str) and (part in {"bool", "float"} or part.startswith(_BRANCHES))


def _written(path: Path) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _PLAIN.fullmatch(part) and not known_secret(part) else redacted(part)
            text += f".{name}" if text else name
    return text
