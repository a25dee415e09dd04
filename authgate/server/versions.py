"""Refuse requests that are not HTTP/1.0 or HTTP/1.1.

aiohttp's parser also accepts HTTP/0.9 and HTTP/2.0 in a request line, and aiohttp answers in the same version. No proxy
sends them in this form, and no answer in these versions has this form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import HttpVersion10, HttpVersion11, web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_SPOKEN = {HttpVersion10, HttpVersion11}


def only_http_1(
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """Return *handler* for requests of HTTP/1.0 and 1.1. Others get 505, and their connection is closed."""

    def answer(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        # Not `version`, which would keep its value: the response begins with it.
        return handler(request) if request._version in _SPOKEN else _refuse(request)  # noqa: SLF001

    return answer


async def _refuse(request: web.BaseRequest) -> web.Response:
    request._version = HttpVersion11  # noqa: SLF001
    response = web.Response(status=505, text="AuthGate speaks HTTP/1.0 and HTTP/1.1.\n")
    response.force_close()
    return response
