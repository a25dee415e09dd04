"""The endpoints. Every statement selects by the caller, so another user's task does not exist for it.

The report is the exception: it counts the tasks of all users.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.security import APIKeyCookie, HTTPBearer
from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from task_service.database import CurrentDatabase
from task_service.identity import CurrentUser, User, current_user
from task_service.models import Task
from task_service.paging import Place, read_cursor, write_cursor
from task_service.problems import described
from task_service.schemas import Me, NewTask, ReceivedRequest, Report, TaskChange, TaskOut, TaskPage

MAX_TASKS_PER_USER = 1000
_CREDENTIALS = {"authorization", "cookie", "proxy-authorization"}
_LOCK = 7001  # the first key of our advisory locks; the second is the user

# These two only describe in OpenAPI how clients sign in. They check nothing: AuthGate has done so.
_SESSION = APIKeyCookie(
    name="better-auth.session_token",
    scheme_name="session",
    description="Better Auth's cookie, set at sign-in. Over HTTPS its name is `__Secure-better-auth.session_token`.",
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
        _401="Not signed in: no credential, or one that AuthGate refuses.",
        _403="Signed in, but refused: AuthGate's policy, or an unsafe method from another origin (CSRF).",
        _503="The database, or a service that AuthGate needs, does not answer. Retry-After says when to try again.",
    ),
)
health = APIRouter(include_in_schema=False)

_NOT_FOUND = described(_404="The caller has no such task.")
_INVALID = described(_422="A parameter or the body is invalid; `detail` says which.")
_BODY = described(_400="The body is not JSON.", _413="The body is larger than 16 KiB.")


@api.get("/auth/me")
async def me(user: CurrentUser) -> Me:
    """Return the caller."""
    return Me.model_validate(user)


@api.get("/auth/headers", dependencies=[Depends(current_user)])
async def received_headers(request: Request) -> ReceivedRequest:
    """Return the headers of this request as the service received them: the proxy has removed, set and added some.

    The proxy keeps credentials away from the service. If a header for them arrives anyway, its value is not shown.
    """
    headers = [
        (name, "(present)" if name in _CREDENTIALS else value)
        for name, value in request.headers.items()  # in lower case and in their order, with every repetition
    ]
    return ReceivedRequest(method=request.method, path=request.url.path, headers=headers)


@api.get("/tasks", responses=_INVALID | described(_400="`after` is not a cursor."))
async def list_tasks(
    user: CurrentUser,
    database: CurrentDatabase,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Annotated[str | None, Query(description="`next` of the previous page")] = None,
) -> TaskPage:
    """Return a page of the caller's tasks, newest first."""
    query = select(Task).where(Task.user_id == user.id).order_by(Task.created_at.desc(), Task.id.desc())
    if after is not None:
        place = _place(after)
        query = query.where(tuple_(Task.created_at, Task.id) < tuple_(place.created_at, place.id))
    async with database.transaction() as session:
        tasks = (await session.scalars(query.limit(limit + 1))).all()  # one more shows whether there is a next page
    page = tasks[:limit]
    more = write_cursor(Place(page[-1].created_at, page[-1].id)) if len(tasks) > limit else None
    return TaskPage(items=[TaskOut.model_validate(task) for task in page], next=more)


@api.post(
    "/tasks",
    status_code=201,
    responses=_INVALID | _BODY | described(_409=f"The caller has {MAX_TASKS_PER_USER} tasks already, the limit."),
)
async def create_task(new: NewTask, user: CurrentUser, database: CurrentDatabase, response: Response) -> TaskOut:
    """Create a task and return it, with its URL in Location."""
    async with database.transaction() as session:
        task = await _create(session, new, user)
    response.headers["Location"] = f"{api.prefix}/tasks/{task.id}"
    return TaskOut.model_validate(task)


@api.get("/tasks/{task_id}", responses=_NOT_FOUND | _INVALID)
async def get_task(task_id: UUID, user: CurrentUser, database: CurrentDatabase) -> TaskOut:
    """Return a task."""
    async with database.transaction() as session:
        return _existing(await session.scalar(select(Task).where(Task.id == task_id, Task.user_id == user.id)))


@api.patch("/tasks/{task_id}", responses=_NOT_FOUND | _INVALID | _BODY)
async def change_task(task_id: UUID, change: TaskChange, user: CurrentUser, database: CurrentDatabase) -> TaskOut:
    """Change a task's title, whether it is done, or both."""
    values = change.model_dump(exclude_unset=True) | {"updated_at": func.clock_timestamp()}
    owned = update(Task).where(Task.id == task_id, Task.user_id == user.id)
    async with database.transaction() as session:
        return _existing(await session.scalar(owned.values(values).returning(Task)))


@api.delete("/tasks/{task_id}", status_code=204, responses=_NOT_FOUND | _INVALID)
async def delete_task(task_id: UUID, user: CurrentUser, database: CurrentDatabase) -> None:
    """Delete a task."""
    owned = delete(Task).where(Task.id == task_id, Task.user_id == user.id)
    async with database.transaction() as session:
        _existing(await session.scalar(owned.returning(Task)))


@api.get("/reports/tasks", dependencies=[Depends(current_user)])
async def report(database: CurrentDatabase) -> Report:
    """Return how many tasks all users have. AuthGate's policy says who may read it: programs, not users."""
    async with database.transaction() as session:
        tasks, done = (await session.execute(select(func.count(), func.count().filter(Task.done)))).one()
    return Report(tasks=tasks, done=done)


@health.get("/healthz")
async def healthz() -> dict[str, str]:
    """Report that the process is up."""
    return {"status": "ok"}


@health.get("/readyz")
async def readyz(database: CurrentDatabase) -> dict[str, str]:
    """Report that the database answers and has the table."""
    async with database.transaction() as session:
        await session.execute(select(Task.id).limit(1))
    return {"status": "ok"}


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


def _place(cursor: str) -> Place:
    try:
        return read_cursor(cursor)
    except ValueError:
        raise HTTPException(400, "`after` is not a cursor. Send `next` of the previous page, unchanged.") from None
