"""The TLS context of one store: made once, and again after a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.authorities import Authorities, client_context
from authgate.sessions import StoreFailed

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

READ_SECONDS = 5.0


class Trust:
    """Whose certificate the store's server may show."""

    def __init__(self, ca_file: str | None, make: Callable[[str | None], ssl.SSLContext] = client_context) -> None:
        """With *ca_file* only its CAs count, else those of the system."""
        self._authorities = Authorities(ca_file, make)
        self._context: ssl.SSLContext | None = None

    async def context(self) -> ssl.SSLContext:
        """Return the context; raise `StoreFailed` where *ca_file* cannot be read."""
        if self._context is None:
            try:
                self._context = await self._authorities.context(READ_SECONDS)
            except ValueError as error:
                raise StoreFailed(str(error)) from None
        return self._context

    def forget(self) -> None:
        """Have the file read again: it may have been replaced."""
        self._context = None
