"""One GET, made safely: against a real issuer, real TLS and a real outbound proxy (J6, J7)."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from authgate import __version__
from authgate.authorities import MAX_CA_FILE_BYTES
from authgate.keysources import LoadFailed
from authgate.keysources.fetch import Fetcher, Response, Route
from tests.support.certificates import Authority
from tests.support.forward_proxy import forward_proxy
from tests.support.issuer import Issuer, issuer
from tests.support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

NAME = "issuer.example"
CANARY = "proxy-password-canary"
FOUND_AT = "https://issuer.example/.well-known/openid-configuration"
PROXY_VARIABLES = [
    name for one in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") for name in (one, one.upper())
]


@pytest.fixture(autouse=True)
def _no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def plain_issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    with issuer(tmp_path_factory.mktemp("issuer")) as running:
        yield running


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def tls_issuer(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Issuer]:
    with issuer(tmp_path_factory.mktemp("issuer"), tls=authority.issue("127.0.0.1", NAME)) as running:
        yield running


def renewed(one: Issuer) -> Issuer:
    one.reopen()
    one.answer("ok")
    one.headers({})
    one.etag(None)
    one.publish("K1")
    one.forget()
    return one


@pytest.fixture
def one(plain_issuer: Issuer) -> Issuer:
    return renewed(plain_issuer)


@pytest.fixture
def over_tls(tls_issuer: Issuer) -> Issuer:
    return renewed(tls_issuer)


@pytest.fixture
def ca_file(tmp_path: Path, authority: Authority) -> str:
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    return str(tmp_path / "ca.pem")


def fetcher(seconds: float = 10.0, **route: Any) -> Fetcher:
    return Fetcher(Route(**{"allow_http": True} | route), seconds)


async def failure(fetching: Fetcher, url: str, **options: Any) -> str:
    with pytest.raises(LoadFailed) as failed:
        await fetching.get(url, **options)
    assert CANARY not in str(failed.value)
    return str(failed.value)


def named(one: Issuer, host: str = NAME) -> str:
    """Return the key set's URL under *host*."""
    return one.jwks_url.replace("127.0.0.1", host)


Found = list[tuple[Any, ...]]


class Names:
    """The names that the resolver knows, and those it was asked for. The standard library's resolver, not ours."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.addresses: dict[str, list[str] | Callable[[], list[str]]] = {}
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self.look_up)

    def look_up(self, host: Any, port: Any, *args: Any, **options: Any) -> Found:
        known = self.addresses.get(host)
        if known is None:
            return self._real(host, port, *args, **options)
        self.asked.append(host)
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in (known() if callable(known) else known)
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@asynccontextmanager
async def answering(raw: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answer every request with *raw*; yield the URL, and the heads of the requests that came."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.read(65536))
        writer.write(raw)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks", heads


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
    assert await failure(fetcher(), one.jwks_url) == f"{one.jwks_url} answers with more than 65536 bytes"


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
        f"http://127.0.0.1:{port}/jwks cannot be fetched: no connection to 127.0.0.1 at port {port} ("
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
        ("https://\x1b[31m/", "holds white space, a backslash or no ASCII"),
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


# -- TLS ----------------------------------------------------------------------------------------------------------


async def test_a_certificate_of_an_unknown_authority_is_refused_and_ca_file_named(over_tls: Issuer) -> None:
    said = await failure(fetcher(), over_tls.jwks_url)
    assert "its certificate is not trusted (unable to get local issuer certificate)" in said
    assert said.endswith("for a private authority set ca_file")
    assert over_tls.requests() == []


async def test_with_ca_file_the_private_authority_is_trusted(over_tls: Issuer, ca_file: str) -> None:
    assert (await fetcher(ca_file=ca_file, allow_http=False).get(over_tls.jwks_url)).body


async def test_text_in_any_language_may_stand_between_the_certificates(
    over_tls: Issuer, authority: Authority, tmp_path: Path
) -> None:
    content = "# Autorité privée\n".encode() + authority.pem + "# Zürich\n".encode("latin-1") + Authority().pem
    (tmp_path / "bundle.pem").write_bytes(content)
    assert (await fetcher(ca_file=str(tmp_path / "bundle.pem")).get(over_tls.jwks_url)).body


async def test_with_ca_file_no_other_authority_is_trusted(over_tls: Issuer, tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_bytes(Authority().pem)
    assert "is not trusted" in await failure(fetcher(ca_file=str(tmp_path / "other.pem")), over_tls.jwks_url)


async def test_a_ca_file_that_is_replaced_counts_at_the_next_fetch(
    over_tls: Issuer, authority: Authority, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(Authority().pem)
    fetching = fetcher(ca_file=str(path))
    await failure(fetching, over_tls.jwks_url)
    path.write_bytes(authority.pem)
    assert (await fetching.get(over_tls.jwks_url)).body


async def test_a_certificate_for_another_name_is_refused(over_tls: Issuer, ca_file: str, names: Names) -> None:
    names.addresses["other.example"] = ["127.0.0.1"]
    said = await failure(fetcher(ca_file=ca_file), named(over_tls, "other.example"))
    assert "Hostname mismatch, certificate is not valid for 'other.example'" in said
    assert "ca_file" not in said
    assert over_tls.requests() == []
    names.addresses[NAME] = ["127.0.0.1"]
    assert (await fetcher(ca_file=ca_file).get(named(over_tls))).body


async def test_an_expired_certificate_is_refused(authority: Authority, ca_file: str, tmp_path: Path) -> None:
    expired = authority.issue("127.0.0.1", days=(-2, -1))
    with issuer(tmp_path, tls=expired) as one:
        said = await failure(fetcher(ca_file=ca_file), one.jwks_url)
    assert "its certificate is not trusted (certificate has expired)" in said


async def test_plain_http_at_an_https_address_is_told() -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (url, _):
        said = await failure(fetcher(), url.replace("http:", "https:"))
    assert "SSL" in said


def missing(path: Path) -> str:
    return f"ca_file: cannot read {path}: No such file or directory"


def empty(path: Path) -> str:
    path.touch()
    return f"ca_file: {path} holds no certificate in PEM, or a broken one"


def no_pem(path: Path) -> str:
    path.write_bytes(b"\x30\x82\xff not PEM")
    return f"ca_file: {path} holds no certificate in PEM, or a broken one"


def broken_pem(path: Path) -> str:
    path.write_bytes(Authority().pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return f"ca_file: {path} holds no certificate in PEM, or a broken one"


def a_fifo(path: Path) -> str:
    os.mkfifo(path)
    return f"ca_file: cannot read {path}: it is not a regular file"


def a_directory(path: Path) -> str:
    path.mkdir()
    return f"ca_file: cannot read {path}: Is a directory"


def too_long(path: Path) -> str:
    path.write_bytes(b" " * (MAX_CA_FILE_BYTES + 1))
    return f"ca_file: cannot read {path}: it is longer than 1048576 bytes"


@pytest.mark.parametrize("spoil", [missing, empty, no_pem, broken_pem, a_fifo, a_directory, too_long])
async def test_a_ca_file_of_no_use_is_told_and_nobody_is_trusted_for_it(
    over_tls: Issuer, tmp_path: Path, spoil: Any
) -> None:
    path = tmp_path / "spoilt.pem"
    why = spoil(path)
    assert await failure(fetcher(ca_file=str(path)), over_tls.jwks_url) == why
    assert over_tls.connections() == 0


# -- an outbound proxy --------------------------------------------------------------------------------------------


async def test_plain_http_goes_through_the_outbound_proxy_which_looks_up_the_name(one: Issuer, names: Names) -> None:
    names.addresses[NAME] = []
    port = urlsplit(one.url).port or 0
    with forward_proxy(login=("user", CANARY), names={NAME: ("127.0.0.1", port)}) as proxy:
        assert (await fetcher(outbound_proxy=proxy.url).get(f"http://{NAME}/jwks")).body
    assert [(passed.method, passed.target, passed.status) for passed in proxy.passed] == [
        ("GET", f"http://{NAME}/jwks", 200)
    ]
    assert names.asked == []
    assert "proxy-authorization" not in one.requests()[0].headers


async def test_https_goes_through_the_outbound_proxy_and_is_checked_as_without(
    over_tls: Issuer, ca_file: str, names: Names
) -> None:
    names.addresses[NAME] = []
    port = urlsplit(over_tls.url).port or 0
    with forward_proxy(login=("user", CANARY), names={NAME: ("127.0.0.1", port)}) as proxy:
        fetching = fetcher(outbound_proxy=proxy.url, ca_file=ca_file)
        assert (await fetching.get(f"https://{NAME}/jwks")).body
        assert "is not trusted" in await failure(fetcher(outbound_proxy=proxy.url), f"https://{NAME}/jwks")
    assert {(passed.method, passed.target, passed.status) for passed in proxy.passed} == {
        ("CONNECT", f"{NAME}:443", 200)
    }
    assert names.asked == []
    assert {passed.headers["user-agent"] for passed in proxy.passed} == {f"AuthGate/{__version__}"}
    (request,) = over_tls.requests()
    assert not {"proxy-authorization", "authorization", "cookie"} & request.headers.keys()


@pytest.mark.parametrize("code", [403, 407, 502, 503])
async def test_an_outbound_proxy_that_refuses_is_told(one: Issuer, over_tls: Issuer, code: int) -> None:
    with forward_proxy(login=("user", CANARY)) as proxy:
        route = {"outbound_proxy": proxy.url}
        if code == 407:
            route["outbound_proxy"] = proxy.url.replace(CANARY, f"{CANARY}-wrong")
        else:
            proxy.refuse_with = code
        said = await failure(fetcher(**route), over_tls.jwks_url)
        assert said == f"{over_tls.jwks_url} cannot be fetched: the outbound proxy answers {code}"
        assert await failure(fetcher(**route), one.jwks_url) == f"{one.jwks_url} answers {code}"
    assert (one.connections(), over_tls.connections()) == (0, 0)


async def test_an_outbound_proxy_without_a_login_gets_none(one: Issuer) -> None:
    with forward_proxy() as proxy:
        assert (await fetcher(outbound_proxy=proxy.url).get(one.jwks_url)).body
    assert "proxy-authorization" not in proxy.passed[0].headers


async def test_a_login_with_strange_characters_reaches_the_outbound_proxy_as_it_is(one: Issuer) -> None:
    with forward_proxy(login=("us er", "p@ss:w\u00f6rd/%")) as proxy:
        url = f"http://us%20er:p%40ss%3Aw%C3%B6rd%2F%25@127.0.0.1:{proxy.port}"
        assert (await fetcher(outbound_proxy=url).get(one.jwks_url)).body


async def test_an_outbound_proxy_that_is_down_is_told(one: Issuer, over_tls: Issuer) -> None:
    port = free_port()
    fetching = fetcher(outbound_proxy=f"http://user:{CANARY}@127.0.0.1:{port}")
    for url in (one.jwks_url, over_tls.jwks_url):
        assert f"no connection to the outbound proxy at port {port}" in await failure(fetching, url)
    assert (one.connections(), over_tls.connections()) == (0, 0)


async def test_an_outbound_proxy_whose_name_is_unknown_is_told(one: Issuer, names: Names) -> None:
    def unknown() -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    names.addresses["proxy.example"] = unknown
    said = await failure(fetcher(outbound_proxy=f"http://user:{CANARY}@proxy.example:3128"), one.jwks_url)
    assert "proxy" in said
    assert "Name or service not known" in said


@pytest.mark.parametrize("raw", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b""])
async def test_an_outbound_proxy_that_speaks_no_http_is_told(one: Issuer, over_tls: Issuer, raw: bytes) -> None:
    async with answering(raw) as (url, _):
        fetching = fetcher(outbound_proxy=url.replace("http://", f"http://user:{CANARY}@").removesuffix("/jwks"))
        for target in (one.jwks_url, over_tls.jwks_url):
            assert "cannot be fetched" in await failure(fetching, target)


async def test_an_https_proxy_is_spoken_to_with_tls(one: Issuer, over_tls: Issuer, ca_file: str) -> None:
    # The issuer stands in for the proxy: it answers 404 to what it does not know, over TLS.
    fetching = fetcher(outbound_proxy=over_tls.url, ca_file=ca_file)
    assert await failure(fetching, one.jwks_url) == f"{one.jwks_url} answers 404"
    assert [request.path for request in over_tls.requests()] == [one.jwks_url]
    assert "its certificate is not trusted" in await failure(fetcher(outbound_proxy=over_tls.url), one.jwks_url)


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:a9fe:a9fe]", "127.0.0.1", "0x7f000001", "2130706433"])
async def test_j6_an_address_that_must_not_be_asked_is_not_asked_through_a_proxy_either(host: str) -> None:
    with forward_proxy() as proxy:
        said = await failure(fetcher(outbound_proxy=proxy.url), f"http://{host}/", found_at=FOUND_AT)
        assert proxy.passed == []
    assert "it is not asked" in said or "names no host" in said


# -- names and addresses ------------------------------------------------------------------------------------------


async def test_a_name_that_is_unknown_is_told(names: Names) -> None:
    def unknown() -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    names.addresses[NAME] = unknown
    said = await failure(fetcher(), f"https://{NAME}/jwks")
    assert said == (
        f"https://{NAME}/jwks cannot be fetched: the name {NAME} cannot be looked up (Name or service not known)"
    )


async def test_a_name_that_cannot_be_one_is_a_failure() -> None:
    assert "cannot be fetched" in await failure(fetcher(), f"http://{'a' * 64}.example/jwks")


async def test_a_look_up_that_hangs_is_bounded_and_holds_up_no_other_issuer(one: Issuer, names: Names) -> None:
    go_on = threading.Event()

    def hanging() -> list[str]:
        go_on.wait(20)
        return ["127.0.0.1"]

    names.addresses |= {"hanging.example": hanging, NAME: ["127.0.0.1"]}
    hangs, other = fetcher(1.0), fetcher()
    try:
        async with asyncio.TaskGroup() as tasks:
            failing = tasks.create_task(failure(hangs, named(one, "hanging.example")))
            assert (await other.get(named(one))).body
        assert failing.result() == (f"{named(one, 'hanging.example')} cannot be fetched: no connection within 0.5 s")
        await failure(hangs, named(one, "hanging.example"))
        assert names.asked.count("hanging.example") == 1  # the thread that hangs is waited for, no other is started
        assert (await hangs.get(named(one))).body
    finally:
        go_on.set()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("169.254.169.254", "a link-local address, where clouds keep credentials"),
        ("fe80::1%2", "a link-local address, where clouds keep credentials"),
        ("::ffff:169.254.169.254", "a link-local address, where clouds keep credentials"),
        ("100.100.100.200", "the address of a cloud's metadata service"),
        ("0.0.0.0", "no address of one host"),
    ],
)
@pytest.mark.parametrize("found_at", [None, FOUND_AT, "https://other.example/"])
async def test_j6_a_name_that_leads_where_it_must_not_is_not_connected_to(
    one: Issuer, names: Names, address: str, why: str, found_at: str | None
) -> None:
    names.addresses[NAME] = ["127.0.0.1", address] if found_at is None else ["192.0.2.1", address]
    said = await failure(fetcher(), named(one), found_at=found_at)
    assert said == f"{NAME} leads to {address}, {why}: it is not asked"
    assert one.connections() == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_j6_a_name_in_a_foreign_document_that_leads_to_this_machine_is_not_connected_to(
    one: Issuer, names: Names, address: str
) -> None:
    names.addresses[NAME] = [address]
    said = await failure(fetcher(), named(one), found_at="https://other.example/.well-known/openid-configuration")
    assert said == f"{NAME} leads to {address}, a loopback address: it is not asked"
    assert one.connections() == 0


async def test_a_name_may_lead_to_this_machine_where_the_operator_wrote_it(one: Issuer, names: Names) -> None:
    names.addresses[NAME] = ["127.0.0.1"]
    assert (await fetcher().get(named(one))).body
    assert (await fetcher().get(one.jwks_url, found_at=one.openid_url)).body
    said = await failure(fetcher(), named(one), found_at=FOUND_AT)
    assert said == f"{NAME} leads to 127.0.0.1, a loopback address: it is not asked"


async def test_an_address_that_the_operator_wrote_is_asked(one: Issuer) -> None:
    # Nobody answers there; it is asked all the same, which only its failure tells.
    said = await failure(fetcher(0.2), "http://169.254.0.0:1/jwks")
    assert "it is not asked" not in said


@pytest.mark.parametrize(
    "host", ["0x7f000001", "2130706433", "127.1", "0177.0.0.1", "0", "[::ffff:169.254.169.254]", "0.0.0.0", "[::]"]
)
async def test_j6_an_address_in_a_form_of_its_own_is_not_asked(one: Issuer, host: str) -> None:
    said = await failure(fetcher(), named(one, host), found_at=FOUND_AT)
    assert "it is not asked" in said or "names no host" in said
    assert one.connections() == 0


async def test_j6_the_connection_goes_to_the_address_that_was_checked(one: Issuer, names: Names) -> None:
    answers = iter(["127.0.0.1", "169.254.169.254", "127.0.0.1"])
    names.addresses[NAME] = lambda: [next(answers)]
    fetching = fetcher()
    assert (await fetching.get(named(one))).body
    assert names.asked == [NAME]  # once: a second answer cannot replace the one that was checked
    assert "169.254.169.254" in await failure(fetching, named(one))
    assert (await fetching.get(named(one))).body
    assert (len(names.asked), one.connections()) == (3, 2)
    assert one.requests()[0].headers["host"] == urlsplit(named(one)).netloc


def test_a_route_does_not_show_the_proxys_password() -> None:
    assert CANARY not in repr(Route(outbound_proxy=f"http://user:{CANARY}@proxy.example:3128"))
