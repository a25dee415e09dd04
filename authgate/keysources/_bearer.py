"""The bearer token that a server of keys demands. It is read from a file before each fetch, and never shown.

Kubernetes mounts such a file into pods, and replaces the token in it while they run.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from authgate.blocking import BlockingCall, NoThread
from authgate.files import FIX_UNREADABLE, read_bounded, settled, shown_path, unreadable_reason
from authgate.keysources import LoadFailed
from authgate.keysources._addresses import is_this_machine

if TYPE_CHECKING:
    from yarl import URL

MAX_FILE_BYTES = 16 * 1024

# RFC 6750 §2.1, and the line break that `echo` and editors write.
_CONTENT = re.compile(rb"([A-Za-z0-9._~+/-]+=*)(?:\r?\n)?")

_REFUSALS = {
    401: "it does not accept {token}: check that the token is for this server and that it has not expired",
    403: (
        "the account of {token} may not read the keys: grant it that; in Kubernetes, bind the ClusterRole "
        "system:service-account-issuer-discovery to it"
    ),
}


class BearerFile:
    """The file with the token for one server."""

    def __init__(self, path: str) -> None:
        self._token = f"the token in {shown_path(path)} (jwks_token_file)"
        self._shown_path = shown_path(path)
        self._reading = BlockingCall(partial(settled, partial(read_bounded, path, MAX_FILE_BYTES)))

    async def header(self, url: URL, timeout_seconds: float, *, by_proxy: bool) -> dict[str, str]:
        """Return the header for a request to *url*, with the token that is in the file now. Raises `LoadFailed`.

        *by_proxy*: an outbound proxy carries the request.
        """
        if url.scheme != "https" and (by_proxy or not is_this_machine(url.host or "")):
            raise LoadFailed(f"{url} is plain http: others could read {self._token}, so it is not sent; use https")
        return {"Authorization": f"Bearer {await self._read(timeout_seconds)}"}

    def refusal(self, status: int, sent_header: dict[str, str]) -> str:
        """Return why *status* is answered, as the end of a sentence; "" if the token is not the cause."""
        if status not in _REFUSALS:
            return ""
        if sent_header:
            return f": {_REFUSALS[status].format(token=self._token)}"
        return (
            f": {self._token} was not sent, because it goes only to the host and port of the configured URL; "
            "set jwks_url to the address of the keys"
        )

    async def _read(self, timeout_seconds: float) -> str:
        try:
            content = await self._reading.result(timeout_seconds)
        except TimeoutError:
            message = f"reading {self._shown_path} takes longer than {timeout_seconds:g} s"
            raise LoadFailed(f"jwks_token_file: {message}") from None
        except NoThread as error:
            raise LoadFailed(f"jwks_token_file: cannot read {self._shown_path}: {error}") from None
        except (OSError, ValueError) as error:  # ValueError also: a path with a NUL in it
            message = f"cannot read {self._shown_path}: {unreadable_reason(error)}; {FIX_UNREADABLE}"
            raise LoadFailed(f"jwks_token_file: {message}") from None
        found = _CONTENT.fullmatch(content)
        if found is None:
            fault = "is empty" if not content.strip() else "holds something else than one bearer token"
            message = f"{self._shown_path} {fault}; write the token alone, on one line, without the word Bearer"
            raise LoadFailed(f"jwks_token_file: {message}")
        return found[1].decode("ascii")
