"""The CAs whose certificates are believed when AuthGate itself asks somebody by TLS."""

from __future__ import annotations

import ssl
from functools import partial
from typing import TYPE_CHECKING

from authgate.blocking import BlockingCall
from authgate.files import read_bounded, why_unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CA_FILE_BYTES = 1024 * 1024

# OpenSSL's X509_V_ERR_…: self-signed, or issued by whom nobody here knows.
_UNKNOWN_AUTHORITY = {18, 19, 20, 21}

# In OpenSSL's words for an answer in plain text, where TLS was to begin.
NO_TLS = "WRONG_VERSION_NUMBER"


def client_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that believes the CAs in *ca_file* and no others; those of the system without one. Blocks.

    Raises ValueError that names the file where it cannot be read or holds no certificate.
    """
    if ca_file is None:
        return ssl.create_default_context()
    try:
        content = read_bounded(ca_file, MAX_CA_FILE_BYTES)
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {ca_file}: {why_unreadable(error)}") from None
    pem = content.decode("ascii", "ignore")  # names between the certificates may be in any language
    try:  # with no cadata at all, the CAs of the system would count: an empty file is not to mean that
        return ssl.create_default_context(cadata=pem or "\n")
    except ssl.SSLError:
        raise ValueError(f"{ca_file} holds no certificate in PEM, or a broken one") from None


class Authorities:
    """Those of one server that is asked: with *ca_file* only its CAs, else those of the system. Read in a thread."""

    def __init__(self, ca_file: str | None, make: Callable[[str | None], ssl.SSLContext] = client_context) -> None:
        self._ca_file = ca_file
        self._reading = BlockingCall(partial(make, ca_file))

    async def context(self, timeout_seconds: float) -> ssl.SSLContext:
        """Return a context that believes them as they are now; raise ValueError, which says what cannot be read."""
        try:
            return await self._reading.result(timeout_seconds)
        except TimeoutError:
            message = f"ca_file {self._ca_file}" if self._ca_file else "the CAs of the system"
            raise ValueError(f"reading {message} takes longer than {timeout_seconds:g} s") from None
        except ValueError as error:
            raise ValueError(f"ca_file: {error}") from None


def why_untrusted(error: BaseException | None) -> str | None:
    """Return why the server's certificate is not trusted, if that is the cause of *error*, with a hint; else None."""
    while error is not None:
        cause = getattr(error, "certificate_error", error)  # aiohttp's own wraps OpenSSL's, and claims to be one
        if isinstance(cause, ssl.SSLCertVerificationError):
            hint = "; for a private authority set ca_file" if cause.verify_code in _UNKNOWN_AUTHORITY else ""
            return f"its certificate is not trusted ({cause.verify_message}){hint}"
        error = error.__cause__ or error.__context__
    return None
