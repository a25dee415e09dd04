"""The CAs whose certificates are believed when AuthGate itself asks somebody by TLS."""

from __future__ import annotations

import ssl

from authgate.files import read_bounded, why_unreadable

MAX_CA_FILE_BYTES = 1024 * 1024


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
