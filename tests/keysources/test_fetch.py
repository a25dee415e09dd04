"""One GET, made safely, against a real issuer: what is sent, and which answers count (J7)."""

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

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.issuer import Issuer


# -- answers ------------------------------------------------------------------------------------------------------


async def test_a_sound_answer_is_given_as_it_is(one: Issuer) -> None:
    one.document('{"keys": "any"}')
    one.headers({"ETag": '"v1"', "Cache-Control": "max-age=60"})
    assert await fetcher().get(one.jwks_url) == Response(body=b'{"keys": "any"}', etag='"v1"', fresh_seconds=60)


async def test_an_answer_of_exactly_64_kib_is_accepted(one: Issuer) -> None:
    one.document("x" * 64 * 1024)
    response = await fetcher().get(one.jwks_url)
    assert len(response.body or b"") == 64 * 1024


async def test_a_document_that_did_not_change_is_not_sent_again(one: Issuer) -> None:
    one.etag("weak")
    one.headers({"Cache-Control": "max-age=60"})
    first = await fetcher().get(one.jwks_url)
    assert await fetcher().get(one.jwks_url, etag=first.etag) == Response(body=None, etag=first.etag, fresh_seconds=60)
    assert [request.headers.get("if-none-match") for request in one.requests()] == [None, first.etag]


async def test_a_304_without_an_entity_tag_keeps_the_one_that_was_sent(one: Issuer) -> None:
    one.answer("status", code=304)
    assert await fetcher().get(one.jwks_url, etag='"v1"') == Response(body=None, etag='"v1"', fresh_seconds=None)


async def test_a_304_that_was_not_asked_for_is_a_failure(one: Issuer) -> None:
    one.answer("status", code=304)
    assert await failure(fetcher(), one.jwks_url) == f"{one.jwks_url} answers 304"


@pytest.mark.parametrize("tag", ["", "x" * 257, '"a b"', '"\u00e9"'])
async def test_an_entity_tag_of_no_use_is_not_kept(one: Issuer, tag: str) -> None:
    one.headers({"ETag": tag})
    assert (await fetcher().get(one.jwks_url)).etag is None


async def test_an_entity_tag_that_could_not_be_sent_back_as_it_came_is_not_kept() -> None:
    async with answering(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: "\xff\xc3\xa9"\r\n\r\n{}') as (url, _):
        assert (await fetcher().get(url)).etag is None


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_j7_a_redirect_is_refused_and_its_target_never_connected_to(one: Issuer, code: int) -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (target, heads):
        one.answer("redirect", to=target, code=code)
        assert await failure(fetcher(), one.jwks_url) == (
            f"{one.jwks_url} redirects to {target!r} ({code}): redirects are not followed; "
            "configure the address that answers"
        )
        assert heads == []
    assert one.connections() == 1


async def test_j7_not_even_a_redirect_to_the_same_place_is_followed(one: Issuer) -> None:
    one.answer("redirect", to=f"{one.jwks_path}?again")
    assert "redirects are not followed" in await failure(fetcher(), one.jwks_url)
    assert len(one.requests()) == 1


@pytest.mark.parametrize("code", [300, 305])
async def test_a_redirect_to_nowhere_is_refused(one: Issuer, code: int) -> None:
    one.answer("status", code=code)
    assert f"redirects to None ({code})" in await failure(fetcher(), one.jwks_url)


@pytest.mark.parametrize("code", [201, 204, 401, 403, 404, 407, 429, 500, 502, 503])
async def test_any_status_but_200_is_a_failure_and_told(one: Issuer, code: int) -> None:
    one.answer("status", code=code)
    assert await failure(fetcher(), one.jwks_url) == f"{one.jwks_url} answers {code}"


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("size", [64 * 1024 + 1, 1 << 24])
async def test_an_answer_over_64_kib_is_refused(one: Issuer, size: int, chunked: bool) -> None:  # noqa: FBT001 - a case
    one.answer("huge", size=size, chunked=chunked)
    assert await failure(fetcher(), one.jwks_url) == f"the response of {one.jwks_url} is longer than 65536 bytes"


async def test_a_head_without_end_is_refused() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000) as (url, _):
        assert "cannot be fetched" in await failure(fetcher(), url)


async def test_compression_is_refused_for_it_was_not_asked_for(one: Issuer) -> None:
    one.answer("gzip", padding=1 << 20)
    assert await failure(fetcher(), one.jwks_url) == (f"{one.jwks_url} is compressed ('gzip'), which was not asked for")


@pytest.mark.parametrize(
    ("behaviour", "options"),
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
async def test_an_answer_that_is_not_complete_is_a_failure(one: Issuer, behaviour: str, options: Any) -> None:
    one.answer(behaviour, **options)
    assert (await failure(fetcher(), one.jwks_url)).startswith(f"{one.jwks_url} cannot be fetched: ")


async def test_garbage_is_given_as_it_is_for_the_parser_to_refuse(one: Issuer) -> None:
    one.answer("garbage")
    assert (await fetcher().get(one.jwks_url)).body == bytes(range(256)) * 4


@pytest.mark.parametrize("raw", [b"\x15\x03\x01\x00\x02\x02\x16", b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 20\r\n\r\n"])
async def test_what_is_not_http_is_a_failure(raw: bytes) -> None:
    async with answering(raw) as (url, _):
        said = await failure(fetcher(), url)
    assert said.startswith(f"{url} cannot be fetched: ")
    assert said.isascii()
    assert said.isprintable()


@pytest.mark.parametrize(
    ("behaviour", "options"),
    [
        ("slow", {"seconds": 30}),
        ("trickle", {"seconds": 0.05}),
        ("trickle", {"seconds": 0.05, "head": False}),
    ],
    ids=str,
)
async def test_an_answer_that_takes_too_long_is_ended_within_the_bound(
    one: Issuer, behaviour: str, options: Any
) -> None:
    one.answer(behaviour, **options)
    assert await failure(fetcher(0.3), one.jwks_url) == f"{one.jwks_url} does not answer within 0.3 s"


async def test_a_closed_port_is_told(one: Issuer) -> None:
    port = free_port()
    said = await failure(fetcher(), f"http://127.0.0.1:{port}/jwks")
    assert said.startswith(
        f"http://127.0.0.1:{port}/jwks cannot be fetched: no connection to 127.0.0.1 on port {port} ("
    )
    one.close()
    assert "no connection to 127.0.0.1" in await failure(fetcher(), one.jwks_url)
    one.reopen()
    assert (await fetcher().get(one.jwks_url)).body


async def test_no_connection_is_kept(one: Issuer) -> None:
    fetching = fetcher()
    for _ in range(3):
        await fetching.get(one.jwks_url)
    assert one.connections() == 3
    async with asyncio.timeout(20):
        while one.open_connections():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)


# -- what is sent -------------------------------------------------------------------------------------------------


async def test_what_is_sent_is_known_and_nothing_else_is(one: Issuer) -> None:
    await fetcher().get(f"{one.jwks_url}?tenant=a%26b")
    (request,) = one.requests()
    assert (request.method, request.path) == ("GET", f"{one.jwks_path}?tenant=a%26b")
    assert request.headers == {
        "host": urlsplit(one.url).netloc,
        "accept": "application/jwk-set+json, application/json",
        "accept-encoding": "identity",
        "user-agent": f"AuthGate/{__version__}",
        "connection": "close",
    }


async def test_a_cookie_is_never_sent_back(one: Issuer) -> None:
    one.headers({"Set-Cookie": "session=1; Path=/"})
    fetching = fetcher()
    for _ in range(2):
        await fetching.get(one.jwks_url)
    assert not any("cookie" in request.headers for request in one.requests())


async def test_neither_the_environments_proxies_nor_netrc_change_anything(
    one: Issuer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login user password {CANARY}\ndefault login u password p\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with forward_proxy() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.upper(), proxy.url)
        assert (await fetcher().get(one.jwks_url)).body
        assert proxy.passed == []
    assert "authorization" not in one.requests()[0].headers


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://issuer.example/jwks", "is plain http"),
        ("file:///etc/passwd", "is not an https URL"),
        ("https://127.1/", "names no host"),
        ("https://\x1b[31m/", "holds white space, a backslash or non-ASCII characters"),
    ],
)
async def test_an_unfit_url_is_refused_and_named(url: str, why: str) -> None:
    said = await failure(fetcher(allow_http=False), url)
    assert said.startswith(f"{url!r} ")
    assert why in said


async def test_reading_a_ca_file_that_hangs_is_bounded(
    over_tls: Issuer, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, real_open = threading.Event(), os.open

    def hanging(path: Any, *args: Any, **options: Any) -> int:
        if path == ca_file:
            go_on.wait(20)
        return real_open(path, *args, **options)

    monkeypatch.setattr(os, "open", hanging)
    try:
        said = await failure(fetcher(1.0, ca_file=ca_file), over_tls.jwks_url)
        assert said == f"reading ca_file {ca_file} takes longer than 0.5 s"
    finally:
        go_on.set()


async def test_a_url_that_only_the_client_finds_unfit_is_refused() -> None:
    assert "cannot be fetched" in await failure(fetcher(), "http://xn--/jwks")


@pytest.mark.parametrize(("beginning", "more"), FLOODS.values(), ids=FLOODS)
async def test_whatever_comes_without_an_end_is_broken_off(beginning: bytes, more: bytes) -> None:
    """Parsed without a bound it would take the whole time of the loop that answers everybody's requests."""
    async with pouring(beginning, more) as (url, poured):
        said = await failure(fetcher(), url)
    assert "does not answer within" not in said, "it was not waited for"
    assert poured.bytes < 16 * 1024 * 1024
