"""A GET from a real issuer: what is sent, and which answers are accepted (J7)."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from authgate import __version__
from authgate.keysources.fetch import Response
from tests.support.fetching import CANARY, FLOODS, answering, failure, fetcher, pouring
from tests.support.forward_proxy import forward_proxy
from tests.support.processes import free_port
from tests.support.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.issuer import Issuer


# -- answers ------------------------------------------------------------------------------------------------------


async def test_a_good_answer_is_returned_unchanged(issuer: Issuer) -> None:
    issuer.document('{"keys": "any"}')
    issuer.headers({"ETag": '"v1"', "Cache-Control": "max-age=60"})
    assert await fetcher().get(issuer.jwks_url) == Response(body=b'{"keys": "any"}', etag='"v1"', fresh_seconds=60)


async def test_an_answer_of_exactly_256_kib_is_accepted(issuer: Issuer) -> None:
    issuer.document("x" * 256 * 1024)
    response = await fetcher().get(issuer.jwks_url)
    assert len(response.body or b"") == 256 * 1024


async def test_a_document_with_the_same_entity_tag_is_not_sent_again(issuer: Issuer) -> None:
    issuer.etag("weak")
    issuer.headers({"Cache-Control": "max-age=60"})
    first = await fetcher().get(issuer.jwks_url)
    assert await fetcher().get(issuer.jwks_url, etag=first.etag) == Response(
        body=None, etag=first.etag, fresh_seconds=60
    )
    assert [request.headers.get("if-none-match") for request in issuer.requests()] == [None, first.etag]


async def test_a_304_without_an_entity_tag_keeps_the_one_that_was_sent(issuer: Issuer) -> None:
    issuer.answer("status", code=304)
    assert await fetcher().get(issuer.jwks_url, etag='"v1"') == Response(body=None, etag='"v1"', fresh_seconds=None)


async def test_a_304_to_a_request_without_an_entity_tag_is_a_failure(issuer: Issuer) -> None:
    issuer.answer("status", code=304)
    assert await failure(fetcher(), issuer.jwks_url) == f"{issuer.jwks_url} answers 304"


@pytest.mark.parametrize("tag", ["", "x" * 257, '"a b"', '"\u00e9"'])
async def test_a_malformed_entity_tag_is_dropped(issuer: Issuer, tag: str) -> None:
    issuer.headers({"ETag": tag})
    assert (await fetcher().get(issuer.jwks_url)).etag is None


async def test_an_entity_tag_that_is_not_ascii_is_dropped() -> None:
    async with answering(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: "\xff\xc3\xa9"\r\n\r\n{}') as (url, _):
        assert (await fetcher().get(url)).etag is None


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_j7_a_redirect_is_refused_without_a_connection_to_its_target(issuer: Issuer, code: int) -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (target, heads):
        issuer.answer("redirect", to=target, code=code)
        message = await failure(fetcher(), issuer.jwks_url)
        assert message.startswith(f"{issuer.jwks_url} redirects to {target!r} ({code}): redirects are not followed")
        assert heads == []
    assert issuer.connections() == 1


async def test_j7_a_redirect_to_the_same_host_is_refused_too(issuer: Issuer) -> None:
    issuer.answer("redirect", to=f"{issuer.jwks_path}?again")
    assert "redirects are not followed" in await failure(fetcher(), issuer.jwks_url)
    assert len(issuer.requests()) == 1


@pytest.mark.parametrize("code", [300, 305])
async def test_a_redirect_without_a_location_is_refused(issuer: Issuer, code: int) -> None:
    issuer.answer("status", code=code)
    assert f"redirects to None ({code})" in await failure(fetcher(), issuer.jwks_url)


@pytest.mark.parametrize("code", [201, 204, 401, 403, 404, 407, 429, 500, 502, 503])
async def test_any_other_status_than_200_is_a_failure_that_names_it(issuer: Issuer, code: int) -> None:
    issuer.answer("status", code=code)
    assert await failure(fetcher(), issuer.jwks_url) == f"{issuer.jwks_url} answers {code}"


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("size", [256 * 1024 + 1, 1 << 24])
async def test_a_longer_answer_is_refused(issuer: Issuer, size: int, chunked: bool) -> None:  # noqa: FBT001 - a case
    issuer.answer("huge", size=size, chunked=chunked)
    message = await failure(fetcher(), issuer.jwks_url)
    assert issuer.jwks_url in message
    assert "longer than 262144 bytes" in message


async def test_a_head_that_is_too_long_is_refused() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000) as (url, _):
        assert "cannot be fetched" in await failure(fetcher(), url)


async def test_a_compressed_answer_is_refused(issuer: Issuer) -> None:
    issuer.answer("gzip", padding=1 << 20)
    assert (await failure(fetcher(), issuer.jwks_url)).startswith(f"{issuer.jwks_url} is compressed ('gzip')")


@pytest.mark.parametrize(
    ("behavior", "options"),
    [
        ("cut_off", {}),
        ("cut_off", {"chunked": True}),
        ("wrong_length", {"by": 5}),
        ("wrong_length", {"by": -5}),
        ("drop", {}),
        ("drop", {"reset": True}),
    ],
    ids=str,
)
async def test_an_incomplete_answer_is_a_failure(issuer: Issuer, behavior: str, options: Any) -> None:
    issuer.answer(behavior, **options)
    assert (await failure(fetcher(), issuer.jwks_url)).startswith(f"{issuer.jwks_url} cannot be fetched: ")


async def test_the_content_of_an_answer_is_not_judged(issuer: Issuer) -> None:
    issuer.answer("garbage")
    assert (await fetcher().get(issuer.jwks_url)).body == bytes(range(256)) * 4


@pytest.mark.parametrize("raw", [b"\x15\x03\x01\x00\x02\x02\x16", b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 20\r\n\r\n"])
async def test_an_answer_that_is_not_http_is_a_failure(raw: bytes) -> None:
    async with answering(raw) as (url, _):
        message = await failure(fetcher(), url)
    assert message.startswith(f"{url} cannot be fetched: ")
    assert message.isascii()
    assert message.isprintable()


@pytest.mark.parametrize(
    ("behavior", "options"),
    [
        ("slow", {"seconds": 30}),
        ("trickle", {"seconds": 0.05}),
        ("trickle", {"seconds": 0.05, "head": False}),
    ],
    ids=str,
)
async def test_an_answer_that_takes_too_long_is_a_failure_within_the_bound(
    issuer: Issuer, behavior: str, options: Any
) -> None:
    issuer.answer(behavior, **options)
    assert await failure(fetcher(0.3), issuer.jwks_url) == f"{issuer.jwks_url} does not answer within 0.3 s"


async def test_a_closed_port_is_named(issuer: Issuer) -> None:
    port = free_port()
    message = await failure(fetcher(), f"http://127.0.0.1:{port}/jwks")
    assert message.startswith(
        f"http://127.0.0.1:{port}/jwks cannot be fetched: no connection to 127.0.0.1 on port {port} ("
    )
    issuer.close()
    assert "no connection to 127.0.0.1" in await failure(fetcher(), issuer.jwks_url)
    issuer.reopen()
    assert (await fetcher().get(issuer.jwks_url)).body


async def test_every_fetch_closes_its_connection(issuer: Issuer) -> None:
    fetching = fetcher()
    for _ in range(3):
        await fetching.get(issuer.jwks_url)
    assert issuer.connections() == 3
    async with asyncio.timeout(PATIENCE_SECONDS):
        while issuer.open_connections():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)


# -- what is sent -------------------------------------------------------------------------------------------------


async def test_a_request_has_exactly_these_headers(issuer: Issuer) -> None:
    await fetcher().get(f"{issuer.jwks_url}?tenant=a%26b")
    (request,) = issuer.requests()
    assert (request.method, request.path) == ("GET", f"{issuer.jwks_path}?tenant=a%26b")
    assert request.headers == {
        "host": urlsplit(issuer.url).netloc,
        "accept": "application/jwk-set+json, application/json",
        "accept-encoding": "identity",
        "user-agent": f"AuthGate/{__version__}",
        "connection": "close",
    }


async def test_a_cookie_is_never_sent_back(issuer: Issuer) -> None:
    issuer.headers({"Set-Cookie": "session=1; Path=/"})
    fetching = fetcher()
    for _ in range(2):
        await fetching.get(issuer.jwks_url)
    assert not any("cookie" in request.headers for request in issuer.requests())


async def test_proxy_variables_and_netrc_are_ignored(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login user password {CANARY}\ndefault login u password p\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with forward_proxy() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.upper(), proxy.url)
        assert (await fetcher().get(issuer.jwks_url)).body
        assert proxy.passed == []
    assert "authorization" not in issuer.requests()[0].headers


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://issuer.example/jwks", "is plain http"),
        ("file:///etc/passwd", "is not an https URL"),
        ("https://127.1/", "names no host"),
        ("https://\x1b[31m/", "holds white space, a backslash or non-ASCII characters"),
    ],
)
async def test_an_invalid_url_is_refused_and_named(url: str, reason: str) -> None:
    message = await failure(fetcher(allow_http=False), url)
    assert message.startswith(f"{url!r} ")
    assert reason in message


async def test_reading_a_ca_file_that_hangs_is_bounded(
    tls_issuer: Issuer, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, real_open = threading.Event(), os.open

    def hanging(path: Any, *args: Any, **options: Any) -> int:
        if path == ca_file:
            go_on.wait(60)
        return real_open(path, *args, **options)

    monkeypatch.setattr(os, "open", hanging)
    try:
        message = await failure(fetcher(1.0, ca_file=ca_file), tls_issuer.jwks_url)
        assert f"ca_file {ca_file} takes longer than 0.5 s" in message
    finally:
        go_on.set()


async def test_a_url_that_only_aiohttp_rejects_is_refused() -> None:
    assert "cannot be fetched" in await failure(fetcher(), "http://xn--.example/jwks")


@pytest.mark.parametrize(("beginning", "more"), FLOODS.values(), ids=FLOODS)
async def test_an_endless_answer_is_cut_off_before_the_deadline(beginning: bytes, more: bytes) -> None:
    """To parse it without a bound would keep the event loop from answering requests."""
    async with pouring(beginning, more) as (url, poured):
        message = await failure(fetcher(), url)
    assert "does not answer within" not in message, "the deadline did not have to end it"
    assert poured.bytes < 16 * 1024 * 1024
