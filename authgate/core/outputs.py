"""Identity headers. Values are encoded so that the upstream can read them back exactly."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authgate.core import claim_paths
from authgate.core.claim_paths import CLAIMS
from authgate.core.errors import Refused
from authgate.core.header_lines import HeaderLines
from authgate.core.reasons import Reason
from authgate.core.user_id import user_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate.core.claim_paths import ClaimPath
    from authgate.core.identity import Identity

# The shipped nginx configuration reads reply heads of up to 16 KiB. Half of that leaves room for the proxy's headers.
MAX_REPLY_HEAD_BYTES = 8 * 1024
# The status line, Content-Type, Content-Length, Date, Server and the empty line.
_OTHER_LINES_BYTES = 192

# Printable ASCII without "%", and without a space at either end.
_PLAIN = re.compile(r"(?:[!-$&-~](?:[ -$&-~]*[!-$&-~])?)?")
_UNSAFE = re.compile(r"%|[^ -~]|^ +| +$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One header of the reply. *source* is a field of `Identity` or "claims.<path>".

    It is None for a header of another policy, which is always empty here. *path* is the claim path, None for a field.
    """

    header: str
    source: str | None
    path: ClaimPath | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Parse the claim path, so that no request does."""
        source = self.source or ""
        path = claim_paths.parse(source.removeprefix(CLAIMS)) if source.startswith(CLAIMS) else None
        object.__setattr__(self, "path", path)

    def value(self, identity: Identity) -> Any:  # noqa: ANN401 - a claim may be any JSON value
        """Return what *identity* has for this header; None if it has nothing."""
        if self.source is None:
            return None
        return getattr(identity, self.source) if self.path is None else identity.claim(self.path)


def identity_headers(identity: Identity | None, outputs: Sequence[Output]) -> HeaderLines:
    """Return a header for each of *outputs*, empty if there is no value. Refuse a reply head over 8 KiB.

    No header is left out: a proxy that copies only the headers it receives would let the client's header through (H5).
    """
    headers: list[tuple[str, str]] = []
    size = _OTHER_LINES_BYTES
    for output in outputs:
        value: Any = None
        if identity is not None and output.source is not None:
            value = getattr(identity, output.source) if output.path is None else identity.claim(output.path)
        text = value if type(value) is str and _PLAIN.fullmatch(value) else header_value(value)
        headers.append((output.header, text))
        size += len(output.header) + len(text) + 4
    if size > MAX_REPLY_HEAD_BYTES:
        raise Refused(Reason.HEADERS_TOO_LARGE, f"the reply head would be {size} bytes, over {MAX_REPLY_HEAD_BYTES}")
    return HeaderLines.of(headers)


def check_user_id(identity: Identity, output: Output) -> None:
    """Refuse *identity* if the header *output*, X-User-Id, would be empty or no id of a user.

    A service would take an empty X-User-Id for an anonymous caller.
    """
    if output.source == "subject":  # tokens/ makes no identity without one
        return
    source = f"{output.source}, where {output.header} comes from,"
    if user_id(output.value(identity), source, integers=True) is None:
        raise Refused(Reason.MISSING_CLAIM, f"{source} is absent or empty")


def same_user(identity: Identity, other: Identity, outputs: Sequence[Output]) -> bool:
    """Whether both are the same person and give the upstream the same *outputs*."""
    return identity.same_person(other) and identity_headers(identity, outputs) == identity_headers(other, outputs)


def unknown_headers(identity: Identity, outputs: Sequence[Output]) -> str:
    """Return which of *outputs* are empty because the credential does not say, or not in a form that can be read."""
    names = (
        f"{output.header} is empty: the credential states no {output.source} that can be read"
        for output in outputs
        if output.source in identity.unknown
    )
    return "; ".join(names)


def header_value(value: Any) -> str:  # noqa: ANN401 - a claim may be any JSON value
    """Return *value* as printable ASCII. Percent-decoding (UTF-8) restores *value*. CR, LF and NUL cannot occur.

    The elements of a list are joined by ","; a comma inside an element is percent-encoded. Objects are written as JSON.
    """
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return ",".join([_encode(_text(element)).replace(",", "%2C") for element in value])
    return _encode(_text(value))


def _text(value: Any) -> str:  # noqa: ANN401 - a claim may be any JSON value
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # times are floats, but an upstream expects 1800000000, not 1800000000.0
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _encode(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    # surrogatepass: JSON can contain a lone surrogate. It must neither raise here nor become another character.
    return _UNSAFE.sub(lambda m: "".join(f"%{b:02X}" for b in m[0].encode("utf-8", "surrogatepass")), text)
