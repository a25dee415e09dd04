"""Walks the types of the model: the type of the setting at a path, its group, its choices."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

# Where a setting is: names of settings and positions in lists.
Path: TypeAlias = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Tagged:
    """Marks a union of models of which one setting of the value chooses one. It is in the metadata of the annotation.

    The *setting* chooses, and *models* are the models by its value. *otherwise* has the settings of all of them: what
    chooses none is checked against it.
    """

    setting: str
    models: Mapping[str, type[BaseModel]]
    otherwise: type[BaseModel]


def tagged(annotation: Any) -> Tagged | None:  # noqa: ANN401 - a type of any form
    """Return the mark of *annotation* if it is a marked union."""
    return next((one for one in getattr(annotation, "__metadata__", ()) if isinstance(one, Tagged)), None)


def annotation_at(path: Path, model: type[BaseModel]) -> Any:  # noqa: ANN401 - a type of any form
    """Return the type of the setting at *path*; None where there is none."""
    annotation: Any = model
    for step in path:
        annotation = next(
            (found for member in members(annotation) if (found := _inner(member, step)) is not None), None
        )
    return annotation


def _inner(annotation: Any, step: int | str) -> Any:  # noqa: ANN401 - a type of any form
    if get_origin(annotation) is dict:
        return get_args(annotation)[1]
    if isinstance(step, int):
        return get_args(annotation)[0] if get_origin(annotation) is list else None
    fields = getattr(annotation, "model_fields", {})
    return fields[step].annotation if step in fields else None


def group_of(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - a type of any form
    """Return the model in *annotation*, which may allow None besides; None where it is something else."""
    if (union := tagged(annotation)) is not None:
        return union.otherwise
    return next((member for member in members(annotation) if hasattr(member, "model_fields")), None)


def is_list(annotation: Any) -> bool:  # noqa: ANN401 - a type of any form
    """Whether *annotation* allows a list."""
    return any(get_origin(member) is list for member in members(annotation))


def members(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - a type of any form
    """Yield the types that *annotation* allows: the branches of a union, without None and without `Annotated`."""
    if hasattr(annotation, "__metadata__"):
        yield from members(annotation.__origin__)
    elif get_origin(annotation) in {Union, UnionType}:
        for branch in get_args(annotation):
            yield from members(branch)
    elif annotation is not None and annotation is not NoneType:
        yield annotation


def choices_of(annotation: Any) -> list[object]:  # noqa: ANN401 - a type of any form
    """Return the choices of every `Literal` in *annotation*; those of a list's elements are not its own."""
    return [choice for member in members(annotation) if get_origin(member) is Literal for choice in get_args(member)]
