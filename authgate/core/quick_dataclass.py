"""Dataclasses that the type checker takes for frozen, and that are made quickly.

To make a frozen dataclass, Python calls `object.__setattr__` for each field. That takes 2.7 µs for an identity, with 25
fields; 0.6 µs if it is not frozen. So here only the type checker keeps code from assigning to a field. It is for what
requests make; what is made once is a frozen dataclass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as quick_dataclass
else:
    from dataclasses import dataclass

    T = TypeVar("T")

    def quick_dataclass(*, frozen: bool, **options: bool) -> Callable[[type[T]], type[T]]:
        """Return the decorator `dataclass` with these *options*. *frozen* is for the type checker alone."""
        del frozen
        return dataclass(**options)


__all__ = ["quick_dataclass"]
