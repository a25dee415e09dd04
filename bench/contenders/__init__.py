"""The contenders, by name. A new one is a file with a row of its own, and a line here."""

from __future__ import annotations

from bench.contenders import authgate, bare_aiohttp, better_auth, decoding, envoy, fastapi_jose, floor, haproxy

CONTENDERS = {
    row.name: row
    for row in (
        authgate.ROW,
        authgate.ROW_WITHOUT_LANE,
        bare_aiohttp.ROW,
        haproxy.ROW,
        envoy.ROW,
        decoding.ROW,
        fastapi_jose.ROW,
        better_auth.ROW,
        floor.ROW,
    )
}
