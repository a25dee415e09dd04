"""The bodies that clients send and get."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from task_service.models import MAX_TITLE_CHARACTERS


def _storable(title: str) -> str:
    if "\0" in title:
        raise ValueError("a NUL character cannot be stored")  # PostgreSQL stores every other character
    return title


Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE_CHARACTERS),
    AfterValidator(_storable),
]


class NewTask(BaseModel):
    """A task to create."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: Title
    done: bool = False


class TaskChange(BaseModel):
    """A change of a task. An absent field stays as it is; null is not allowed."""

    model_config = ConfigDict(extra="forbid", strict=True)

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
    headers: list[tuple[str, str]]
