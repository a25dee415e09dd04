"""What the service knows about the caller, and what it was sent."""

from fastapi import APIRouter, Request

from task_service.identity import CurrentUser
from task_service.schemas import Me, ReceivedRequest

router = APIRouter(prefix="/auth", tags=["caller"])

_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


@router.get("/me")
async def get_me(user: CurrentUser) -> Me:
    """Return the caller."""
    return Me.model_validate(user)


@router.get("/headers")
async def get_headers(request: Request) -> ReceivedRequest:
    """Return the headers of this request as the service received them: the proxy has removed, set and added some.

    The proxy keeps credentials away from the service. If a header for them arrives anyway, its value is not shown.
    """
    headers = [
        [name, "(present)" if name in _CREDENTIALS else value]
        for name, value in request.headers.items()  # in lower case and in their order, with every repetition
    ]
    return ReceivedRequest(method=request.method, path=request.url.path, headers=headers)
