"""The endpoints, one file for each subject."""

from fastapi import APIRouter, Depends

from task_service.identity import current_user
from task_service.openapi import described
from task_service.routes import caller, reports, tasks

api = APIRouter(
    prefix="/api/v1",
    dependencies=[Depends(current_user)],  # no route is open because somebody forgot it
    responses=described(
        {
            401: "Not signed in: no credential, or one that AuthGate refuses.",
            403: "Signed in, but refused: AuthGate's policy, or an unsafe method from another origin (CSRF).",
            413: "The body is larger than 16 KiB.",
            503: "The database, or a service that AuthGate needs, does not answer. Retry-After says when to try again.",
        }
    ),
)
for subject in (caller, tasks, reports):
    api.include_router(subject.router)
