"""A task service behind AuthGate. It identifies users by X-User-Id and does no cryptography.

Run it where only the proxy can reach it:  uvicorn tasks:app --host 127.0.0.1 --port 8001
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote
from uuid import uuid4

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from pydantic import BaseModel, Field

MAX_TASKS_PER_USER = 1000


@dataclass(frozen=True, slots=True)
class User:
    """The caller, as AuthGate identified it."""

    id: str
    email: str | None
    name: str | None
    roles: tuple[str, ...]


def current_user(
    x_user_id: Annotated[str | None, Header()] = None,
    x_user_email: Annotated[str | None, Header()] = None,
    x_user_name: Annotated[str | None, Header()] = None,
    x_user_roles: Annotated[str | None, Header()] = None,
) -> User:
    """Return the caller. Refuse anonymous requests: their X-User-Id is absent or empty."""
    if not x_user_id:
        raise HTTPException(401, "not signed in")
    return User(
        id=unquote(x_user_id),  # AuthGate percent-encodes everything but printable ASCII
        email=unquote(x_user_email) if x_user_email else None,
        name=unquote(x_user_name) if x_user_name else None,
        roles=tuple(unquote(role) for role in x_user_roles.split(",")) if x_user_roles else (),
    )


CurrentUser = Annotated[User, Depends(current_user)]


class TaskIn(BaseModel):
    """A task as clients send it."""

    title: str = Field(min_length=1, max_length=200)
    done: bool = False


class Task(TaskIn):
    """A task as clients get it."""

    id: str


app = FastAPI(title="Tasks")
_tasks: dict[str, dict[str, Task]] = {}  # user id -> task id -> task, in memory only


@app.get("/healthz")
def healthz(request: Request) -> dict[str, str]:
    """Report that the service is up, and the user that it sees: none, because this path is public."""
    return {"status": "ok", "user": request.headers.get("x-user-id", "")}


@app.get("/api/v1/auth/me")
def me(user: CurrentUser, request: Request) -> dict[str, object]:
    """Return the caller, and the credentials that reached the service (none on a route that strips them)."""
    credentials = [name for name in ("authorization", "cookie") if request.headers.get(name)]
    return {"id": user.id, "email": user.email, "name": user.name, "roles": user.roles, "credentials": credentials}


@app.get("/api/v1/tasks")
def list_tasks(user: CurrentUser) -> list[Task]:
    """Return the caller's tasks."""
    return list(_tasks.get(user.id, {}).values())


@app.post("/api/v1/tasks", status_code=201)
def create_task(task: TaskIn, user: CurrentUser) -> Task:
    """Create a task for the caller."""
    tasks = _tasks.setdefault(user.id, {})
    if len(tasks) >= MAX_TASKS_PER_USER:
        raise HTTPException(409, f"at most {MAX_TASKS_PER_USER} tasks")
    created = Task(id=uuid4().hex, **task.model_dump())
    tasks[created.id] = created
    return created


@app.get("/api/v1/tasks/{task_id}")
def get_task(task_id: str, user: CurrentUser) -> Task:
    """Return one of the caller's tasks. Another user's task is a 404."""
    return _own(task_id, user)


@app.put("/api/v1/tasks/{task_id}")
def update_task(task_id: str, task: TaskIn, user: CurrentUser) -> Task:
    """Replace one of the caller's tasks."""
    _own(task_id, user)
    updated = Task(id=task_id, **task.model_dump())
    _tasks[user.id][task_id] = updated
    return updated


@app.delete("/api/v1/tasks/{task_id}", status_code=204)
def delete_task(task_id: str, user: CurrentUser) -> None:
    """Delete one of the caller's tasks."""
    _own(task_id, user)
    del _tasks[user.id][task_id]


def _own(task_id: str, user: User) -> Task:
    task = _tasks.get(user.id, {}).get(task_id)
    if task is None:
        raise HTTPException(404, "no such task")
    return task
