"""The caller's tasks. Every statement selects by the caller, so another user's task does not exist for it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from task_service.database import CurrentDatabase
from task_service.identity import CurrentUser, User
from task_service.models import Task
from task_service.openapi import described
from task_service.paging import CURSOR_CHARACTERS, CURSOR_PATTERN, Place, read_cursor, write_cursor
from task_service.schemas import NewTask, TaskChange, TaskOut, TaskPage

MAX_TASKS_PER_USER = 1000
_LOCK = 7001  # the first key of our advisory locks; the second is the user

_NOT_FOUND = described({404: "The caller has no such task."})
_INVALID = described({422: "A parameter or the body is invalid; `detail` says which."})
_BODY = described({400: "The body is not JSON.", 415: "The body has another Content-Type than application/json."})
_LIMIT = described({409: f"The caller has {MAX_TASKS_PER_USER} tasks already, the limit."})
_LOCATION = {
    "description": "The path of the task.",
    "required": True,
    "schema": {"type": "string", "format": "uri-reference"},
}
_CREATED = {201: {"description": "The task.", "headers": {"Location": _LOCATION}}}

_CURSOR = Query(
    default_factory=str,  # "" means the first page
    min_length=CURSOR_CHARACTERS,
    max_length=CURSOR_CHARACTERS,
    pattern=CURSOR_PATTERN,
    description="`next` of the previous page, unchanged.",
)


async def json_body(request: Request) -> None:
    """Refuse bodies that do not say that they are JSON: forms on other sites send such bodies without a preflight."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "Send the body as application/json.", {"Accept": "application/json"})


router = APIRouter(prefix="/tasks", tags=["tasks"], responses=_INVALID)
_TAKES_JSON = [Depends(json_body)]


@router.get("")
async def list_tasks(
    user: CurrentUser,
    database: CurrentDatabase,
    after: Annotated[str, _CURSOR],
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> TaskPage:
    """Return a page of the caller's tasks, newest first."""
    query = select(Task).where(Task.user_id == user.id).order_by(Task.created_at.desc(), Task.id.desc())
    if after:
        place = read_cursor(after)
        query = query.where(tuple_(Task.created_at, Task.id) < tuple_(place.created_at, place.id))
    async with database.transaction() as session:
        tasks = (await session.scalars(query.limit(limit + 1))).all()  # one more shows whether there is a next page
    page = tasks[:limit]
    more = write_cursor(Place(page[-1].created_at, page[-1].id)) if len(tasks) > limit else None
    return TaskPage(items=[TaskOut.model_validate(task) for task in page], next=more)


@router.post("", status_code=201, dependencies=_TAKES_JSON, responses=_CREATED | _BODY | _LIMIT)
async def create_task(
    new: NewTask, user: CurrentUser, database: CurrentDatabase, request: Request, response: Response
) -> TaskOut:
    """Create a task and return it, with its path in Location."""
    async with database.transaction() as session:
        task = await _create(session, new, user)
    response.headers["Location"] = f"{request.url.path}/{task.id}"
    return TaskOut.model_validate(task)


@router.get("/{task_id}", responses=_NOT_FOUND)
async def get_task(task_id: UUID, user: CurrentUser, database: CurrentDatabase) -> TaskOut:
    """Return a task."""
    async with database.transaction() as session:
        return _existing(await session.scalar(select(Task).where(Task.id == task_id, Task.user_id == user.id)))


@router.patch("/{task_id}", dependencies=_TAKES_JSON, responses=_NOT_FOUND | _BODY)
async def change_task(task_id: UUID, change: TaskChange, user: CurrentUser, database: CurrentDatabase) -> TaskOut:
    """Change a task's title, whether it is done, or both."""
    values = change.model_dump(exclude_unset=True) | {"updated_at": func.clock_timestamp()}
    owned = update(Task).where(Task.id == task_id, Task.user_id == user.id)
    async with database.transaction() as session:
        return _existing(await session.scalar(owned.values(values).returning(Task)))


@router.delete("/{task_id}", status_code=204, responses=_NOT_FOUND)
async def delete_task(task_id: UUID, user: CurrentUser, database: CurrentDatabase) -> None:
    """Delete a task."""
    owned = delete(Task).where(Task.id == task_id, Task.user_id == user.id)
    async with database.transaction() as session:
        _existing(await session.scalar(owned.returning(Task)))


async def _create(session: AsyncSession, new: NewTask, user: User) -> Task:
    # One request of a user at a time, or two could both pass the limit. The time is taken under the lock as well, so a
    # task that is created later is newer and never appears in a page that was already read.
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(user.id))))
    count = select(func.count(), func.clock_timestamp()).select_from(Task).where(Task.user_id == user.id)
    tasks, now = (await session.execute(count)).one()
    if tasks >= MAX_TASKS_PER_USER:
        raise HTTPException(409, f"You have {MAX_TASKS_PER_USER} tasks, the limit. Delete one first.")
    task = Task(user_id=user.id, title=new.title, done=new.done, created_at=now, updated_at=now)
    session.add(task)
    await session.flush()
    return task


def _existing(task: Task | None) -> TaskOut:
    if task is None:
        raise HTTPException(404, "No such task.")
    return TaskOut.model_validate(task)
