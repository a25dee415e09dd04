"""The endpoints. Every statement names the caller: somebody else's task is one that does not exist."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from fastapi.security import APIKeyCookie, HTTPBearer
from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from task_service.database import CurrentDatabase
from task_service.identity import CurrentUser, User
from task_service.models import Task
from task_service.paging import Place, read_cursor, write_cursor
from task_service.problems import described
from task_service.schemas import Me, NewTask, TaskChange, TaskOut, TaskPage

MAX_TASKS_PER_USER = 1000
_LOCK = 7001  # of advisory locks with two keys, the one that is ours

# These two tell OpenAPI how clients sign in. They decide nothing: AuthGate has, and X-User-Id says what.
_SESSION = APIKeyCookie(
    name="better-auth.session_token",
    scheme_name="session",
    description="Better Auth's cookie, set by signing in. On https its name is `__Secure-better-auth.session_token`.",
    auto_error=False,
)
_TOKEN = HTTPBearer(
    scheme_name="token",
    bearerFormat="JWT",
    description="A JWT of Better Auth, from GET /api/auth/token.",
    auto_error=False,
)

api = APIRouter(
    prefix="/api/v1",
    dependencies=[Depends(_SESSION), Depends(_TOKEN)],
    responses=described(
        _401="Not signed in: no credential, or one that AuthGate does not accept.",
        _403="Signed in, but refused: AuthGate's policy, or an unsafe method from another origin (CSRF).",
        _503="The database, or what AuthGate asks, does not answer. Retry-After says when to try again.",
    ),
)
health = APIRouter(include_in_schema=False)

_NOT_FOUND = described(_404="The caller has no such task.")
_INVALID = described(_422="A parameter or the body is not as described; `detail` says where.")
_BODY = described(_400="The body is no JSON.", _413="The body is larger than 16 KiB.")


@api.get("/auth/me")
async def me(user: CurrentUser) -> Me:
    """Return who is calling."""
    return Me.model_validate(user)


@api.get("/tasks", responses=_INVALID | described(_400="`after` is no cursor."))
async def list_tasks(
    user: CurrentUser,
    database: CurrentDatabase,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[str | None, Query(description="`next` of the page before")] = None,
) -> TaskPage:
    """Return a page of the caller's tasks, newest first."""
    query = select(Task).where(Task.user_id == user.id).order_by(Task.created_at.desc(), Task.id.desc())
    if after is not None:
        place = _place(after)
        query = query.where(tuple_(Task.created_at, Task.id) < tuple_(place.created_at, place.id))
    async with database.transaction() as session:
        found = (await session.scalars(query.limit(limit + 1))).all()  # one more tells whether there is a next page
    page = found[:limit]
    more = write_cursor(Place(page[-1].created_at, page[-1].id)) if len(found) > limit else None
    return TaskPage(items=[TaskOut.model_validate(task) for task in page], next=more)


@api.post(
    "/tasks",
    status_code=201,
    responses=_INVALID | _BODY | described(_409=f"The caller has {MAX_TASKS_PER_USER} tasks, which is the limit."),
)
async def create_task(new: NewTask, user: CurrentUser, database: CurrentDatabase, response: Response) -> TaskOut:
    """Create a task; Location says where it is."""
    async with database.transaction() as session:
        task = await _created(session, new, user)
    response.headers["Location"] = f"{api.prefix}/tasks/{task.id}"
    return TaskOut.model_validate(task)


@api.get("/tasks/{task_id}", responses=_NOT_FOUND | _INVALID)
async def get_task(task_id: UUID, user: CurrentUser, database: CurrentDatabase) -> TaskOut:
    """Return a task."""
    async with database.transaction() as session:
        return _found(await session.scalar(select(Task).where(Task.id == task_id, Task.user_id == user.id)))


@api.patch("/tasks/{task_id}", responses=_NOT_FOUND | _INVALID | _BODY)
async def change_task(task_id: UUID, change: TaskChange, user: CurrentUser, database: CurrentDatabase) -> TaskOut:
    """Change the title of a task, whether it is done, or both."""
    values = change.model_dump(exclude_unset=True) | {"updated_at": func.clock_timestamp()}
    owned = update(Task).where(Task.id == task_id, Task.user_id == user.id)
    async with database.transaction() as session:
        return _found(await session.scalar(owned.values(values).returning(Task)))


@api.delete("/tasks/{task_id}", status_code=204, responses=_NOT_FOUND | _INVALID)
async def delete_task(task_id: UUID, user: CurrentUser, database: CurrentDatabase) -> None:
    """Delete a task."""
    owned = delete(Task).where(Task.id == task_id, Task.user_id == user.id)
    async with database.transaction() as session:
        _found(await session.scalar(owned.returning(Task)))


@health.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the process is up."""
    return {"status": "ok"}


@health.get("/readyz")
async def readyz(database: CurrentDatabase) -> dict[str, str]:
    """Say that the database answers, and has the table."""
    async with database.transaction() as session:
        await session.execute(select(Task.id).limit(1))
    return {"status": "ok"}


async def _created(session: AsyncSession, new: NewTask, user: User) -> Task:
    # One request of a user at a time, else two would both find room for the last task. Here is also where the moment
    # is taken: a task that is created later is newer, and comes into no page that was read already.
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(user.id))))
    count = select(func.count(), func.clock_timestamp()).select_from(Task).where(Task.user_id == user.id)
    tasks, now = (await session.execute(count)).one()
    if tasks >= MAX_TASKS_PER_USER:
        raise HTTPException(409, f"You have {MAX_TASKS_PER_USER} tasks, which is the limit. Delete one first.")
    task = Task(user_id=user.id, title=new.title, done=new.done, created_at=now, updated_at=now)
    session.add(task)
    await session.flush()
    return task


def _found(task: Task | None) -> TaskOut:
    if task is None:
        raise HTTPException(404, "No such task.")
    return TaskOut.model_validate(task)


def _place(cursor: str) -> Place:
    try:
        return read_cursor(cursor)
    except ValueError:
        raise HTTPException(400, "`after` is no cursor: give `next` of the page before, as it is.") from None
