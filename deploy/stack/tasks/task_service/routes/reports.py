"""Reports about the tasks of all users, for programs."""

from fastapi import APIRouter
from sqlalchemy import func, select

from task_service.database import CurrentDatabase
from task_service.models import Task
from task_service.schemas import Report

router = APIRouter(prefix="/reports", tags=["reports"])


@router.get("/tasks")
async def count_tasks(database: CurrentDatabase) -> Report:
    """Return how many tasks all users have. AuthGate's policy says who may read it: programs, not users."""
    async with database.transaction() as session:
        tasks, done = (await session.execute(select(func.count(), func.count().filter(Task.done)))).one()
    return Report(tasks=tasks, done=done)
