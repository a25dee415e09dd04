"""The CAs that AuthGate trusts when it makes a TLS connection itself."""

from __future__ import annotations

import os
import ssl
from functools import partial
from typing import TYPE_CHECKING

from authgate.blocking import BlockingCall, NoThread
from authgate.files import read_bounded, settled, unreadable_reason

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CA_FILE_BYTES = 1024 * 1024
READ_SECONDS = 5.0

# OpenSSL's X509_V_ERR_… codes for a certificate that is self-signed or has an unknown issuer.
_UNKNOWN_AUTHORITY = {18, 19, 20, 21}

# Part of OpenSSL's message when the server answers in plain text.
NO_TLS = "WRONG_VERSION_NUMBER"


def client_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that trusts only the CAs in *ca_file*, or those of the system if it is None. Blocks.

    Raises ValueError, which names the file, if it cannot be read or holds no certificate.
    """
    if ca_file is None:
        return _system_context()
    try:
        content = read_bounded(ca_file, MAX_CA_FILE_BYTES)
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {ca_file}: {unreadable_reason(error)}") from None
    pem = content.decode("ascii", "ignore")  # comments between the certificates may be in any encoding
    try:  # an empty cadata would mean the CAs of the system
        return ssl.create_default_context(cadata=pem or "\n")
    except ssl.SSLError:
        raise ValueError(f"{ca_file} holds no certificate in PEM, or a broken one") from None


def _system_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    file = ssl.get_default_verify_paths().cafile  # None: there is none, but maybe a folder, which OpenSSL reads later
    if file is not None and not context.cert_store_stats()["x509_ca"]:
        try:  # OpenSSL does not say why it read no CA
            os.close(os.open(file, os.O_RDONLY | os.O_NONBLOCK))
        except OSError as error:
            raise ValueError(f"cannot read {file}: {unreadable_reason(error)}") from None
    return context


class AuthoritiesUnreadable(ValueError):
    """The CAs cannot be read. The message names the file."""


class Authorities:
    """The CAs for one server: those in *ca_file*, or those of the system if it is None. Read in a thread."""

    def __init__(self, ca_file: str | None, make: Callable[[str | None], ssl.SSLContext] = client_context) -> None:
        self._ca_file = ca_file
        self._reading = BlockingCall(partial(settled, partial(make, ca_file)))
        self._cached: ssl.SSLContext | None = None

    async def context(self, timeout_seconds: float = READ_SECONDS) -> ssl.SSLContext:
        """Return a context that trusts the CAs as they are now. Raises `AuthoritiesUnreadable`."""
        try:
            return await self._reading.result(timeout_seconds)
        except TimeoutError:
            message = f"ca_file {self._ca_file}" if self._ca_file else "the CAs of the system"
            raise AuthoritiesUnreadable(f"reading {message} takes longer than {timeout_seconds:g} s") from None
        except NoThread as error:
            raise AuthoritiesUnreadable(f"the CAs cannot be read: {error}") from None
        except ValueError as error:
            raise AuthoritiesUnreadable(f"{'ca_file' if self._ca_file else 'the CAs of the system'}: {error}") from None

    async def cached_context(self) -> ssl.SSLContext:
        """Return the context of the last call, or a new one after `forget`. Raises `AuthoritiesUnreadable`."""
        if self._cached is None:
            self._cached = await self.context()
        return self._cached

    def forget(self) -> None:
        """Make the next `cached_context` read the CAs again: after a failure, because the file may have changed."""
        self._cached = None


def untrusted_reason(error: BaseException | None) -> str | None:
    """Return why the server's certificate is not trusted, with a hint, or None if *error* has another cause."""
    while error is not None:
        if isinstance(error, AuthoritiesUnreadable):
            return str(error)
        cause = getattr(error, "certificate_error", error)  # aiohttp's error wraps OpenSSL's, and is a subclass of it
        if isinstance(cause, ssl.SSLCertVerificationError):
            hint = "; for a private authority set ca_file" if cause.verify_code in _UNKNOWN_AUTHORITY else ""
            return f"its certificate is not trusted ({cause.verify_message}){hint}"
        error = error.__cause__ or error.__context__
    return None
