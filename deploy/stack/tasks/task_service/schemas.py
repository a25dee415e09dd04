"""The bodies that clients send and get."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from task_service.models import MAX_TITLE_CHARACTERS

# Languages disagree whether some control characters and U+FEFF are whitespace (\s), so the pattern names them.
TITLE_PATTERN = r"^[^\x00]*[^\x00-\x1f\x7f-\x9f\ufeff\s][^\x00]*$"


def _title(text: str) -> str:
    if not re.fullmatch(TITLE_PATTERN, text):
        raise ValueError("a title needs a visible character, and has no NUL")  # PostgreSQL cannot store a NUL
    return text.strip()


Title = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_TITLE_CHARACTERS),
    AfterValidator(_title),
    Field(description="Whitespace at both ends is removed.", json_schema_extra={"pattern": TITLE_PATTERN}),
]


class NewTask(BaseModel):
    """A task to create."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: Title
    done: bool = False


class TaskChange(BaseModel):
    """A change of a task. An absent field stays as it is; null is not allowed."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"minProperties": 1})

    # The factories make the fields optional without a default in the schema. Their values are not used.
    title: Title = Field(default_factory=str)
    done: bool = Field(default_factory=bool)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("give a title, done, or both")
        return self


class TaskOut(BaseModel):
    """A task."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    title: str
    done: bool
    created_at: datetime
    updated_at: datetime


class TaskPage(BaseModel):
    """Some tasks, newest first. *next* is the cursor of the next page, or null on the last one."""

    items: list[TaskOut]
    next: str | None


class Report(BaseModel):
    """How many tasks there are, and how many of them are done."""

    tasks: int
    done: int


class Me(BaseModel):
    """The caller, as AuthGate identified it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    email: str | None
    name: str | None
    roles: tuple[str, ...]


class ReceivedRequest(BaseModel):
    """A request as the service received it. *headers* are pairs of name and value."""

    method: str
    path: str
    headers: list[Annotated[list[str], Field(min_length=2, max_length=2)]]
