"""Keys that a server gives only to those who send a bearer token, over real TLS: the token goes nowhere else."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from authgate.keysources import LoadFailed
from authgate.keysources._bearer import MAX_FILE_BYTES
from authgate.keysources.fetch import Route
from authgate.keysources.remote import DiscoverySource, JwksUrlSource
from authgate.tokens.algorithms import ALL_ALGORITHMS
from tests.support.fetching import NAME, Names, answering, failure, fetcher, named
from tests.support.forward_proxy import forward_proxy
from tests.support.issuer import Issuer, running_issuer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authgate.keysources import KeySource
    from tests.support.certificates import Authority

TOKEN = "canary-eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhdXRoZ2F0ZSJ9.c2lnbmVk-_~+/=="
NEXT = "canary-next"


@pytest.fixture(autouse=True)
def no_line_and_no_message_shows_a_token(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert "canary" not in caplog.text


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    return path


@pytest.fixture
def route(token_file: Path, ca_file: str) -> dict[str, Any]:
    return {"token_file": str(token_file), "ca_file": ca_file, "allow_http": False}


@pytest.fixture
def demanding(tls_issuer: Issuer) -> Issuer:
    """An issuer that shows nothing to strangers, as the API server of Kubernetes."""
    for path in (tls_issuer.jwks_path, tls_issuer.openid_path, tls_issuer.oauth_path):
        tls_issuer.answer("bearer", token=TOKEN, on=path)
    return tls_issuer


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def sent(issuer: Issuer) -> list[tuple[str, str | None]]:
    """Return the path and the header Authorization of each request."""
    return [(request.path, request.headers.get("authorization")) for request in issuer.requests()]


async def refused(source: KeySource) -> str:
    with pytest.raises(LoadFailed) as failed:
        await source.load()
    assert "canary" not in str(failed.value)
    return str(failed.value)


async def test_the_token_in_the_file_is_sent(demanding: Issuer, route: dict[str, Any]) -> None:
    loaded = await JwksUrlSource(demanding.jwks_url, Route(**route), ALL_ALGORITHMS).load()
    assert loaded.keys is not None
    assert [key.key_id for key in loaded.keys.keys] == ["K1"]
    assert sent(demanding) == [(demanding.jwks_path, f"Bearer {TOKEN}")]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_a_line_break_at_the_end_of_the_file_is_not_a_part_of_the_token(
    demanding: Issuer, route: dict[str, Any], token_file: Path, end: str
) -> None:
    write(token_file, f"{TOKEN}{end}".encode())
    assert (await fetcher(**route).get(demanding.jwks_url)).body


async def test_a_replaced_token_is_sent_with_the_next_request(
    demanding: Issuer, route: dict[str, Any], tmp_path: Path
) -> None:
    """Kubernetes replaces a link to the folder that holds the token."""
    for name, token in (("first", TOKEN), ("second", NEXT)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(token)
    (tmp_path / "current").symlink_to("first")
    fetching = fetcher(**route | {"token_file": str(tmp_path / "current" / "token")})
    assert (await fetching.get(demanding.jwks_url)).body
    demanding.answer("bearer", token=NEXT)
    assert "does not accept the token" in await failure(fetching, demanding.jwks_url)
    (tmp_path / "new").symlink_to("second")
    (tmp_path / "new").rename(tmp_path / "current")
    assert (await fetching.get(demanding.jwks_url)).body
    assert [token for _, token in sent(demanding)] == [f"Bearer {TOKEN}"] * 2 + [f"Bearer {NEXT}"]


async def test_without_a_file_no_token_is_sent(demanding: Issuer, ca_file: str) -> None:
    message = await failure(fetcher(ca_file=ca_file), demanding.jwks_url)
    assert message == f"{demanding.jwks_url} answers 401"
    assert sent(demanding) == [(demanding.jwks_path, None)]


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (401, "check that the token is for this server and that it has not expired"),
        (403, "bind the ClusterRole system:service-account-issuer-discovery to it"),
    ],
)
async def test_a_refusal_of_the_token_names_the_file_and_what_to_do(
    tls_issuer: Issuer, route: dict[str, Any], token_file: Path, code: int, advice: str
) -> None:
    tls_issuer.answer("status", code=code)
    message = await refused(JwksUrlSource(tls_issuer.jwks_url, Route(**route), ALL_ALGORITHMS))
    assert message.startswith(f"{tls_issuer.jwks_url} answers {code}: ")
    assert f"the token in {token_file} (jwks_token_file)" in message
    assert advice in message


@pytest.mark.parametrize("code", [404, 500, 503])
async def test_any_other_failure_does_not_blame_the_token(tls_issuer: Issuer, route: dict[str, Any], code: int) -> None:
    tls_issuer.answer("status", code=code)
    assert await failure(fetcher(**route), tls_issuer.jwks_url) == f"{tls_issuer.jwks_url} answers {code}"


# -- the file -----------------------------------------------------------------------------------------------------


def missing(path: Path) -> str:
    path.unlink()
    return "cannot read {path}: No such file or directory; check that the path is right"


def a_directory(path: Path) -> str:
    path.unlink()
    path.mkdir()
    return "cannot read {path}: Is a directory"


def a_fifo(path: Path) -> str:
    path.unlink()
    os.mkfifo(path)
    return "cannot read {path}: it is not a regular file"


def too_long(path: Path) -> str:
    path.write_text("c" * (MAX_FILE_BYTES + 1))
    return "cannot read {path}: it is longer than 16384 bytes"


def empty(path: Path) -> str:
    path.write_text("")
    return "{path} is empty"


def only_a_line_break(path: Path) -> str:
    path.write_text("\n")
    return "{path} is empty"


NO_TOKEN = "{path} holds something else than one bearer token; write the token alone"


def holding(content: bytes) -> Any:
    def write(path: Path) -> str:
        path.write_bytes(content)
        return NO_TOKEN

    return write


BAD_CONTENT = {
    "with the word Bearer": f"Bearer {TOKEN}".encode(),
    "a space before it": f" {TOKEN}".encode(),
    "a space after it": f"{TOKEN} \n".encode(),
    "two lines": f"{TOKEN}\n{TOKEN}\n".encode(),
    "two line breaks": f"{TOKEN}\n\n".encode(),
    "another header": f"{TOKEN}\r\nX-Forwarded-User: admin".encode(),
    "in quotes": f'"{TOKEN}"'.encode(),
    "in JSON": b'{"token": "canary"}',
    "not ASCII": "canary\u00e9".encode(),
    "not UTF-8": b"canary\xff",
    "a NUL": b"canary\0",
    "a byte order mark": b"\xef\xbb\xbfcanary",
    "only padding": b"==",
    "padding within": b"canary=canary",
}


@pytest.mark.parametrize(
    "spoil",
    [missing, a_directory, a_fifo, too_long, empty, only_a_line_break, *map(holding, BAD_CONTENT.values())],
    ids=["missing", "a directory", "a FIFO", "too long", "empty", "only a line break", *BAD_CONTENT],
)
async def test_with_an_unusable_file_nothing_is_asked(
    demanding: Issuer, route: dict[str, Any], token_file: Path, spoil: Any
) -> None:
    expected = spoil(token_file).format(path=token_file)
    message = await refused(JwksUrlSource(demanding.jwks_url, Route(**route), ALL_ALGORITHMS))
    assert message.startswith(f"jwks_token_file: {expected}")
    assert demanding.connections() == 0


async def test_the_longest_file_is_read(tls_issuer: Issuer, route: dict[str, Any], token_file: Path) -> None:
    write(token_file, b"c" * MAX_FILE_BYTES)
    assert (await fetcher(**route).get(tls_issuer.jwks_url)).body
    assert sent(tls_issuer) == [(tls_issuer.jwks_path, f"Bearer {'c' * MAX_FILE_BYTES}")]


async def test_a_token_in_place_of_the_path_is_not_shown(demanding: Issuer, route: dict[str, Any]) -> None:
    fetching = fetcher(**route | {"token_file": TOKEN})
    message = await failure(fetching, demanding.jwks_url)
    assert message.startswith("jwks_token_file: cannot read the file that it names (not shown: it may be a secret)")
    assert "canary" not in message + repr(fetching.route)


async def test_reading_a_file_that_hangs_is_bounded(
    demanding: Issuer, route: dict[str, Any], token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, real_open = threading.Event(), os.open

    def hanging(path: Any, *args: Any, **options: Any) -> int:
        if path == str(token_file):
            go_on.wait(60)
        return real_open(path, *args, **options)

    monkeypatch.setattr(os, "open", hanging)
    try:
        message = await failure(fetcher(1.0, **route), demanding.jwks_url)
        assert message == f"jwks_token_file: reading {token_file} takes longer than 0.5 s"
        assert demanding.connections() == 0
    finally:
        go_on.set()


# -- where the token does not go ----------------------------------------------------------------------------------


async def test_the_token_is_not_sent_over_plain_http_to_another_machine(
    issuer: Issuer, route: dict[str, Any], names: Names
) -> None:
    names.addresses[NAME] = ["127.0.0.1"]
    message = await failure(fetcher(**route | {"allow_http": True}), named(issuer))
    assert message.startswith(f"{named(issuer)} is plain http: others could read the token in ")
    assert issuer.connections() == 0
    assert "is plain http" in await failure(fetcher(**route), issuer.jwks_url)
    assert issuer.connections() == 0


async def test_the_token_is_sent_over_plain_http_to_this_machine_if_plain_http_is_allowed(
    issuer: Issuer, route: dict[str, Any]
) -> None:
    issuer.answer("bearer", token=TOKEN)
    assert (await fetcher(**route | {"allow_http": True}).get(issuer.jwks_url)).body


async def test_the_token_is_not_sent_in_clear_to_an_outbound_proxy(issuer: Issuer, route: dict[str, Any]) -> None:
    with forward_proxy() as proxy:
        fetching = fetcher(**route | {"allow_http": True, "outbound_proxy": proxy.url})
        assert "others could read the token" in await failure(fetching, issuer.jwks_url)
        assert proxy.passed == []


async def test_an_outbound_proxy_only_sees_the_tunnel_in_which_the_token_is_sent(
    demanding: Issuer, route: dict[str, Any], names: Names
) -> None:
    names.addresses[NAME] = []
    with forward_proxy(names={NAME: ("127.0.0.1", urlsplit(demanding.url).port or 0)}) as proxy:
        assert (await fetcher(**route, outbound_proxy=proxy.url).get(f"https://{NAME}{demanding.jwks_path}")).body
    (passed,) = proxy.passed
    assert passed.method == "CONNECT"
    assert "canary" not in str(passed)
    assert sent(demanding) == [(demanding.jwks_path, f"Bearer {TOKEN}")]


@pytest.mark.parametrize("code", [301, 307])
async def test_the_token_does_not_follow_a_redirect(tls_issuer: Issuer, route: dict[str, Any], code: int) -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (target, heads):
        tls_issuer.answer("redirect", to=target, code=code)
        assert "redirects are not followed" in await failure(fetcher(**route), tls_issuer.jwks_url)
        assert heads == []


# -- discovery ----------------------------------------------------------------------------------------------------


async def test_discovery_sends_the_token_for_the_metadata_and_for_keys_of_the_same_origin(
    demanding: Issuer, route: dict[str, Any]
) -> None:
    loaded = await DiscoverySource(demanding.url, Route(**route), ALL_ALGORITHMS).load()
    assert loaded.keys is not None
    assert sent(demanding) == [
        (demanding.openid_path, f"Bearer {TOKEN}"),
        (demanding.jwks_path, f"Bearer {TOKEN}"),
    ]


async def test_the_same_origin_in_another_spelling_gets_the_token(
    demanding: Issuer, route: dict[str, Any], names: Names
) -> None:
    names.addresses |= {NAME: ["10.0.0.1"], NAME.upper(): ["10.0.0.1"]}
    url = f"https://{NAME}"
    with forward_proxy(names={NAME: ("127.0.0.1", urlsplit(demanding.url).port or 0)}) as proxy:
        demanding.discovery(issuer=url, jwks_uri=f"https://{NAME.upper()}:443{demanding.jwks_path}")
        source = DiscoverySource(url, Route(**route, outbound_proxy=proxy.url), ALL_ALGORITHMS)
        assert (await source.load()).keys is not None
    assert {token for _, token in sent(demanding)} == {f"Bearer {TOKEN}"}


@pytest.fixture
def elsewhere(tmp_path: Path, authority: Authority) -> Iterator[Issuer]:
    """Another server on this host, at another port, so of another origin."""
    with running_issuer(tmp_path, tls=authority.issue("127.0.0.1")) as running:
        yield running


async def test_keys_of_another_origin_are_fetched_without_the_token(
    demanding: Issuer, route: dict[str, Any], elsewhere: Issuer
) -> None:
    demanding.discovery(jwks_uri=elsewhere.jwks_url)
    loaded = await DiscoverySource(demanding.url, Route(**route), ALL_ALGORITHMS).load()
    assert loaded.keys is not None
    assert sent(demanding) == [(demanding.openid_path, f"Bearer {TOKEN}")]
    assert sent(elsewhere) == [(elsewhere.jwks_path, None)]


async def test_if_another_origin_demands_the_token_the_message_says_to_configure_its_address(
    demanding: Issuer, route: dict[str, Any], elsewhere: Issuer, token_file: Path
) -> None:
    """The metadata of Kubernetes often names the address of one API server, not the name that pods use."""
    elsewhere.answer("bearer", token=TOKEN)
    demanding.discovery(jwks_uri=elsewhere.jwks_url)
    message = await refused(DiscoverySource(demanding.url, Route(**route), ALL_ALGORITHMS))
    assert message.startswith(f"{elsewhere.jwks_url} answers 401: the token in {token_file} (jwks_token_file) was not")
    assert "set jwks_url to the address of the keys" in message
    assert sent(elsewhere) == [(elsewhere.jwks_path, None)]
    configured = JwksUrlSource(elsewhere.jwks_url, Route(**route), ALL_ALGORITHMS)
    assert (await configured.load()).keys is not None


async def test_keys_over_plain_http_on_the_same_host_are_fetched_without_the_token(
    demanding: Issuer, route: dict[str, Any], issuer: Issuer
) -> None:
    demanding.discovery(jwks_uri=issuer.jwks_url)
    source = DiscoverySource(demanding.url, Route(**route | {"allow_http": True}), ALL_ALGORITHMS)
    assert (await source.load()).keys is not None
    assert sent(issuer) == [(issuer.jwks_path, None)]
