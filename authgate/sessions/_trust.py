"""Whose certificate a store's server may show: read in a thread, once, and again after a failure."""

from __future__ import annotations

import ssl
from functools import partial
from typing import TYPE_CHECKING

from authgate.authorities import client_context
from authgate.blocking import BlockingCall
from authgate.sessions import StoreFailed

if TYPE_CHECKING:
    from collections.abc import Callable

READ_SECONDS = 5.0
# OpenSSL's X509_V_ERR_…: self-signed, or issued by whom nobody here knows.
_UNKNOWN_AUTHORITY = {18, 19, 20, 21}


class Trust:
    """The TLS context of one store."""

    def __init__(self, ca_file: str | None, make: Callable[[str | None], ssl.SSLContext] = client_context) -> None:
        """With *ca_file* only its CAs count, else those of the system."""
        self._ca_file = ca_file
        self._reading = BlockingCall(partial(make, ca_file))
        self._context: ssl.SSLContext | None = None

    async def context(self) -> ssl.SSLContext:
        """Return the context; raise `StoreFailed` where *ca_file* cannot be read."""
        if self._context is None:
            try:
                self._context = await self._reading.result(READ_SECONDS)
            except TimeoutError:
                what = f"ca_file {self._ca_file}" if self._ca_file else "the CAs of the system"
                raise StoreFailed(f"reading {what} takes longer than {READ_SECONDS:g} s") from None
            except ValueError as error:
                raise StoreFailed(f"ca_file: {error}") from None
        return self._context

    def forget(self) -> None:
        """Have the file read again: it may have been replaced."""
        self._context = None


def why_untrusted(error: BaseException | None) -> str | None:
    """Return why the server's certificate is not trusted, if that is the cause of *error*, with a hint; else None."""
    while error is not None:
        cause = getattr(error, "certificate_error", error)  # aiohttp's own wraps OpenSSL's, and claims to be one
        if isinstance(cause, ssl.SSLCertVerificationError):
            hint = "; for a private authority set ca_file" if cause.verify_code in _UNKNOWN_AUTHORITY else ""
            return f"its certificate is not trusted ({cause.verify_message}){hint}"
        error = error.__cause__ or error.__context__
    return None
