"""Dataclasses that the type checker takes for frozen, and that are made quickly.

To make a frozen dataclass, Python calls `object.__setattr__` for each field. That takes 2.7 µs for an identity, with 25
fields; 0.6 µs if it is not frozen. So here only the type checker keeps code from assigning to a field. It is for what
requests make; what is made once is a frozen dataclass.
"""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as quick_dataclass
else:
    from dataclasses import dataclass

    def quick_dataclass(*, frozen: bool, **options: bool) -> Callable[[type[T]], type[T]]:
        """Return the decorator `dataclass` with these *options*. *frozen* is for the type checker alone."""
        del frozen
        return dataclass(**options)


def replaced(instance: T, **changes: Any) -> T:  # noqa: ANN401 - the values of fields
    """Return a copy of *instance* with *changes*, as `dataclasses.replace`, in a quarter of its time.

    For dataclasses with several fields, all of which their constructors take.
    """
    kind = type(instance)
    if kind not in _FIELDS:
        names = tuple(field.name for field in fields(kind))  # type: ignore[arg-type] # it is a dataclass
        _FIELDS[kind] = names, attrgetter(*names)
    names, values_of = _FIELDS[kind]
    return kind(**dict(zip(names, values_of(instance), strict=True)) | changes)


# The names of the fields of a dataclass, and what reads them all.
_FIELDS: dict[type, tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]] = {}

__all__ = ["quick_dataclass", "replaced"]
