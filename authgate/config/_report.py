"""Turns what pydantic found wrong into problems that say what, where and how to mend it."""

from __future__ import annotations

from difflib import get_close_matches
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeAlias, get_args, get_origin

from authgate.core.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import BaseModel, ValidationError

# Settings as they were read, before they are checked.
Raw: TypeAlias = dict[str, Any]

# Settings that the design has and this version has not: somebody copied them from a newer page.
_LATER = {
    "policies": "policies come with a later version; this one requires a signed-in user everywhere",
}


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return one problem for each mistake in *error*, which validating settings as *model* raised."""
    found: dict[str, Problem] = {}
    for mistake in error.errors(include_url=False, include_input=False):
        location = tuple(part for part in mistake["loc"] if not _is_union_branch(part))
        setting = _written(location) or "configuration"
        problem = _problem(setting, location, mistake["type"], mistake["msg"], model)
        # Of a union every branch complains; the last is the one that says what the value should look like.
        found[setting] = problem
    return list(found.values())


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question that names the closest of *known*, or all of them."""
    known = list(known)
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"


def _problem(setting: str, location: Sequence[int | str], kind: str, message: str, model: type[BaseModel]) -> Problem:
    name = str(location[-1]) if location else ""
    if kind == "extra_forbidden":
        known = _fields_at(location[:-1], model)
        return Problem(setting=setting, message="is not a setting", fix=_LATER.get(name) or did_you_mean(name, known))
    if kind == "missing":
        return Problem(setting=setting, message="is missing", fix="add it; docs/configuration.md describes it")
    if kind == "list_type":
        fix = "write a list: [a, b], or each element on its own line after a dash"
        return Problem(setting=setting, message="is not a list", fix=fix)
    if kind == "literal_error" and name == "preset":
        fix = f"write {message.removeprefix('Input should be ')}; an issuer of another kind that signs JWTs is a jwt"
        return Problem(setting=setting, message="is not a preset", fix=fix)
    if kind == "literal_error" and name == "workers":
        return Problem(
            setting=setting, message="this version runs one process", fix="leave it out, or write workers: 1"
        )
    if message.startswith("Value error, "):  # from our own validators
        message = message.removeprefix("Value error, ")
    else:
        message = message[:1].lower() + message[1:]
    return Problem(
        setting=setting, message=message, fix=_description(location, model) or "docs/configuration.md says more"
    )


def _description(location: Sequence[int | str], model: type[BaseModel]) -> str:
    """Return the model's own words about the setting at *location*, on one line."""
    steps = list(location)
    while steps:
        fields = _model_at(steps[:-1], model)
        if fields is not None and steps[-1] in fields.model_fields:
            return " ".join((fields.model_fields[str(steps[-1])].description or "").split())
        steps.pop()  # an element of a list, a key of a mapping: its setting describes it
    return ""


def _fields_at(location: Sequence[int | str], model: type[BaseModel]) -> list[str]:
    """Return the names of the settings that exist at *location* of *model*."""
    found = _model_at(location, model)
    return list(found.model_fields) if found else []


def _model_at(location: Sequence[int | str], model: type[BaseModel]) -> type[BaseModel] | None:
    """Return the model of the settings at *location*, or None where there is something else."""
    current: Any = model
    for step in location:
        if isinstance(step, int):
            current = next(iter(get_args(current)), None)
        else:
            fields = getattr(current, "model_fields", {})
            current = _without_none(fields[step].annotation) if step in fields else None
    return current if hasattr(current, "model_fields") else None


def group_of(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - a type of any form
    """Return the model that *annotation* is, or is besides None; None where it is something else."""
    found = _without_none(annotation)
    return found if isinstance(found, type) and hasattr(found, "model_fields") else None


def is_list(annotation: Any) -> bool:  # noqa: ANN401 - a type of any form
    """Say whether *annotation* is a list's, or a list's besides None."""
    found = _without_none(annotation)
    return get_origin(found.__origin__ if hasattr(found, "__metadata__") else found) is list


def _without_none(annotation: Any) -> Any:  # noqa: ANN401 - a type of any form
    others = [argument for argument in get_args(annotation) if argument is not NoneType]
    return others[0] if NoneType in get_args(annotation) and len(others) == 1 else annotation


def _is_union_branch(part: int | str) -> bool:
    # pydantic puts the branch of a union that it tried into the location: "literal['any']", "list[…]", "bool".
    return isinstance(part, str) and (
        part in {"bool", "float", "[key]"} or part.startswith(("literal[", "list[", "constrained", "lax-or-strict["))
    )


def _written(location: Sequence[int | str]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
