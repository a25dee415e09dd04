"""The descriptions of settings: the strings below them in the classes of settings.

pydantic's own use_attribute_docstrings reads the source of every class when it makes the class. That took a third of
the time in which AuthGate starts. Only documentation, forms and messages need it.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from copy import copy
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo


@functools.cache
def described_fields(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """Return the fields of *model*, each with its description or None."""
    fields = {name: copy(field) for name, field in model.model_fields.items()}
    for name, field in fields.items():
        if field.description is None:
            where = next(base for base in model.__mro__ if name in inspect.get_annotations(base))
            field.description = _strings_below(where).get(name)
    return fields


def add_descriptions(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Add the descriptions of the fields of *model* to its JSON schema."""
    for name, field in described_fields(model).items():
        if field.description is not None:
            schema["properties"][name]["description"] = field.description


@functools.cache
def _strings_below(model: type[BaseModel]) -> Mapping[str, str]:
    """Return the string below each field that *model* itself defines; nothing if it was made without source."""
    try:
        source = inspect.getsource(model)
    except (OSError, TypeError):
        return {}
    strings = {}
    for statement in ast.parse(textwrap.dedent(source)).body:  # the class alone
        for pair in pairwise(getattr(statement, "body", ())):
            match pair:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    strings[name] = inspect.cleandoc(text)
    return strings
