"""Parse the URL of a Redis server. No message quotes a password."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import unquote

from pydantic import AnyUrl, TypeAdapter, UrlConstraints, ValidationError

from authgate.sessions.redis_address import RedisAddress

MAX_URL_CHARACTERS = 4096

_ENCODE = "in a user or a password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, % as %25"
# Like pydantic's RedisDsn, which would replace a missing host with localhost.
_URL: TypeAdapter[AnyUrl] = TypeAdapter(
    Annotated[
        AnyUrl,
        UrlConstraints(
            max_length=MAX_URL_CHARACTERS, allowed_schemes=["redis", "rediss"], host_required=True, default_port=6379
        ),
    ]
)
# Parameters of other clients (ioredis and others), which AuthGate ignores.
_IGNORED = frozenset({"family", "protocol", "pool", "timeout", "lazyConnect", "maxRetriesPerRequest"})


def parse_redis_url(text: str) -> RedisAddress:
    """Return the address in the URL *text*. Raises ValueError, without quoting the password."""
    if not text.isprintable() or " " in text:  # pydantic removes or encodes white space
        raise ValueError("contains white space")
    try:
        url = _URL.validate_python(text)
    except ValidationError as error:
        cause = error.errors(include_url=False, include_context=False, include_input=False)[0]["msg"]
        raise ValueError(f"is not a redis or rediss URL ({cause}); {_ENCODE}") from None
    if "#" in text:
        raise ValueError(f"contains a #; {_ENCODE}")
    host = unquote(url.host or "").strip("[]")  # pydantic percent-encodes a name that is not ASCII
    if not host.isprintable() or " " in host:
        raise ValueError("has a host that contains white space")
    if not url.port:
        raise ValueError("has the port 0: write a number from 1 to 65535")
    query = dict(url.query_params())
    database = query.pop("db", "") or (url.path or "").removeprefix("/") or "0"
    if not re.fullmatch(r"[0-9]{1,5}", database):
        raise ValueError(f"has a database that is not a number of at most 5 digits; {_ENCODE}")
    if not query.keys() <= _IGNORED:
        fix = "remove everything after the ?; certificates are verified"
        raise ValueError(f"has parameters that AuthGate does not support: {fix}")
    return RedisAddress(
        host=host,
        port=url.port,
        database=int(database),
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
        tls=url.scheme == "rediss",
    )
