"""Whether the process is up, and whether it can work. Nobody signs in to ask."""

from fastapi import APIRouter
from sqlalchemy import select

from task_service.database import CurrentDatabase
from task_service.models import Task

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Report that the process is up."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(database: CurrentDatabase) -> dict[str, str]:
    """Report that the database answers and has the table."""
    async with database.transaction() as session:
        await session.execute(select(Task.id).limit(1))
    return {"status": "ok"}
