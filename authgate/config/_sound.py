"""The sound part of settings: what is left of them without the settings that are wrong by themselves.

The wrong ones are reported by `_report`. The rest is checked all the same, so that every problem shows in one run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from authgate.config._annotations import annotation_at, group_of
from authgate.config._report import setting_path
from authgate.config._types import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authgate.config._annotations import Path

S = TypeVar("S", bound=Settings)


def sound_part(
    model: type[S], raw: object, stand_ins: Mapping[str, object] | None = None
) -> tuple[S | None, frozenset[str]]:
    """Return the settings in *raw* as *model* without those that are wrong, and the names of these (`sessions.http`).

    *stand_ins* replace wrong settings that others depend on. The settings are None where nothing is left.
    """
    wrong: set[Path] = set()
    while True:
        try:
            return model.model_validate(raw), _names(wrong)
        except ValidationError as error:
            found = {
                _setting(setting_path(mistake["loc"], model), model) for mistake in error.errors(include_input=False)
            }
        # A required setting cannot be left out: its group is wrong.
        new = {path[:-1] if path in wrong else path for path in found}
        if () in new or not isinstance(raw, dict):
            return None, _names(wrong | found)
        wrong |= new
        raw = _without(raw, new)
        for name, value in (stand_ins or {}).items():
            if (name,) in new and name in model.model_fields:
                raw[name] = value


def _setting(path: Path, model: type[Settings]) -> Path:
    """Return the path of the setting that *path* leads to or into: an element belongs to the setting of its list."""
    end = 0
    while end < len(path) and group_of(annotation_at(path[:end], model)) is not None:
        end += 1
    return tuple(str(name) for name in path[:end])


def _without(raw: dict[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """Return *raw* without the settings at *paths*."""
    inner: dict[object, set[Path]] = {}
    for first, *rest in paths:
        inner.setdefault(first, set()).add(tuple(rest))
    left = {}
    for name, value in raw.items():
        deeper = inner.get(str(name), set())
        if () in deeper:
            continue
        left[name] = _without(value, deeper) if deeper and isinstance(value, dict) else value
    return left


def _names(paths: Iterable[Path]) -> frozenset[str]:
    return frozenset(".".join(str(part) for part in path) for path in paths)
