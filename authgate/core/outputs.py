"""Identity headers: which there are, and how a value is written into one so that it can be read back exactly."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authgate.core.errors import Refused
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.core.identity import Identity

# The shipped nginx reads reply heads of 16 KiB; half of that leaves room for what the proxy adds.
MAX_REPLY_HEAD_BYTES = 8 * 1024
# Status line, Content-Type, Content-Length, Date, Server and the empty line.
_OTHER_LINES_BYTES = 192

# Printable ASCII without "%", and no space at either end.
_PLAIN = re.compile(r"(?:[!-$&-~](?:[ -$&-~]*[!-$&-~])?)?")
_UNSAFE = re.compile(r"%|[^ -~]|^ +| +$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One header of the reply: *source* is a field of `Identity` or "claims.<path>"."""

    header: str
    source: str


def identity_headers(identity: Identity | None, outputs: Sequence[Output]) -> tuple[tuple[str, str], ...]:
    """Return every one of *outputs*, empty where there is no value; refuse a reply head over 8 KiB.

    Always all of them: a proxy that copies only what is present would let the client's own copy through (H5).
    """
    headers: list[tuple[str, str]] = []
    size = _OTHER_LINES_BYTES
    for output in outputs:
        value = "" if identity is None else header_value(identity.value(output.source))
        headers.append((output.header, value))
        size += len(output.header) + len(value) + 4
    if size > MAX_REPLY_HEAD_BYTES:
        raise Refused(Reason.HEADERS_TOO_LARGE, f"the reply head would be {size} bytes, over {MAX_REPLY_HEAD_BYTES}")
    return tuple(headers)


def header_value(value: Any) -> str:  # noqa: ANN401 - a claim may be any JSON value
    """Return *value* as printable ASCII that percent-decodes (UTF-8) to it; CR, LF and NUL cannot occur.

    Elements of a list are joined by ",", a comma inside one is percent-encoded; objects are written as JSON.
    """
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return ",".join(_encode(_text(element)).replace(",", "%2C") for element in value)
    return _encode(_text(value))


def _text(value: Any) -> str:  # noqa: ANN401 - the same
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # times are floats; 1800000000.0 would be an odd way to write one
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _encode(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    # surrogatepass: JSON may spell a lone surrogate; it must neither raise here nor turn into something else.
    return _UNSAFE.sub(lambda m: "".join(f"%{b:02X}" for b in m[0].encode("utf-8", "surrogatepass")), text)
