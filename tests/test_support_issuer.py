"""The tests' issuer does what other tests rely on."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from authgate.core.attempts import Attempts
from authgate.tokens import jwk, jws
from authgate.tokens.algorithms import ALL_ALGORITHMS
from tests.support.certificates import Authority
from tests.support.client import Answer, ask
from tests.support.issuer import Issuer, running_issuer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    with running_issuer(tmp_path_factory.mktemp("issuer")) as running:
        yield running


@pytest.fixture
def issuer(shared: Issuer) -> Iterator[Issuer]:
    shared.forget()
    yield shared
    shared.answer("ok")
    shared.headers({})
    shared.etag(None)
    shared.publish(shared.current)
    shared.discovery()


def port(issuer: Issuer) -> int:
    return int(urlsplit(issuer.url).port or 0)


def get(issuer: Issuer, *headers: str, path: str | None = None, **more: Any) -> Answer:
    return ask(port(issuer), path or issuer.jwks_path, "Connection: close", *headers, **more)


def key_ids(answer: Answer) -> list[str]:
    return [key["kid"] for key in answer.json["keys"]]


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448"])
def test_its_tokens_verify_with_what_it_publishes(issuer: Issuer, algorithm: str) -> None:
    issuer.rotate(algorithm, overlap=False, algorithm=algorithm)
    parsed = jws.parse(issuer.token(sub="ada", role="admin", aud=None))
    keys = jwk.from_jwks(get(issuer).body, ALL_ALGORITHMS)
    assert jws.verify_signature(parsed, keys, ALL_ALGORITHMS, Attempts()).key_id == parsed.key_id == algorithm
    assert parsed.algorithm == algorithm
    assert parsed.payload.keys() == {"iss", "sub", "iat", "exp", "role"}
    assert parsed.payload["iss"] == issuer.url


def test_a_rotation_keeps_the_old_key_only_with_overlap(issuer: Issuer) -> None:
    old = issuer.current
    issuer.rotate("new", overlap=True)
    assert key_ids(get(issuer)) == [old, "new"]
    assert jws.parse(issuer.token()).key_id == "new"
    assert jws.parse(issuer.token(key=old)).key_id == old
    issuer.rotate("newest", overlap=False)
    assert key_ids(get(issuer)) == ["newest"]


def test_metadata_stands_at_both_paths_and_changes_on_request(issuer: Issuer) -> None:
    for path in (issuer.openid_path, issuer.oauth_path):
        metadata = get(issuer, path=path).json
        assert (metadata["issuer"], metadata["jwks_uri"]) == (issuer.url, issuer.jwks_url)
    issuer.discovery(issuer="https://other.example", jwks_uri=None)
    metadata = get(issuer, path=issuer.openid_path).json
    assert metadata["issuer"] == "https://other.example"
    assert "jwks_uri" not in metadata
    issuer.withdraw(issuer.openid_path)
    assert get(issuer, path=issuer.openid_path).status == 404
    assert get(issuer, path=issuer.oauth_path).status == 200


def test_an_issuer_with_a_path_has_its_metadata_where_each_standard_says(tmp_path: Any) -> None:
    with running_issuer(tmp_path, path="/tenant") as issuer:
        assert issuer.url.endswith("/tenant")
        assert get(issuer, path="/tenant/.well-known/openid-configuration").json["issuer"] == issuer.url
        assert get(issuer, path="/.well-known/oauth-authorization-server/tenant").json["issuer"] == issuer.url
        assert get(issuer, path="/.well-known/openid-configuration").status == 404
        assert key_ids(get(issuer, path="/tenant/jwks")) == ["K1"]


def test_requests_and_connections_are_counted_with_their_headers(issuer: Issuer) -> None:
    get(issuer, "User-Agent: AuthGate", "Cookie: a=b")
    get(issuer, path="/nowhere")
    assert [seen.path for seen in issuer.requests()] == [issuer.jwks_path, "/nowhere"]
    (seen,) = issuer.requests(issuer.jwks_path)
    assert (seen.headers["user-agent"], seen.headers["cookie"]) == ("AuthGate", "a=b")
    assert issuer.connections() == 2
    kept = http.client.HTTPConnection("127.0.0.1", port(issuer), timeout=20)
    for _ in range(3):
        kept.request("GET", issuer.jwks_path)
        kept.getresponse().read()
    assert issuer.connections() == 3
    assert issuer.open_connections() >= 1
    kept.close()
    issuer.forget()
    assert (issuer.requests(), issuer.connections()) == ([], 0)


def test_an_etag_is_answered_with_304_until_the_document_changes(issuer: Issuer) -> None:
    issuer.headers({"Cache-Control": "max-age=60", "Age": "7"})
    for kind in ("strong", "weak"):
        issuer.etag(kind)
        first = get(issuer)
        tag = first.header("ETag")
        assert tag is not None
        assert tag.startswith("W/") == (kind == "weak")
        again = get(issuer, f'If-None-Match: "other", {tag}')
        assert (again.status, again.body, again.header("ETag")) == (304, b"", tag)
        assert (again.header("Cache-Control"), again.header("Age")) == ("max-age=60", "7")
    issuer.rotate("changed", overlap=False)
    assert get(issuer, f"If-None-Match: {tag}").status == 200


@pytest.mark.parametrize(
    ("behavior", "options", "status"),
    [
        ("status", {"code": 500}, 500),
        ("status", {"code": 404}, 404),
        ("status", {"code": 429, "headers": {"Retry-After": "3"}}, 429),
        ("redirect", {"to": "http://127.0.0.1:1/jwks"}, 302),
        ("redirect", {"to": "http://127.0.0.1:1/jwks", "code": 308}, 308),
        ("flapping", {"code": 503}, 503),
    ],
)
def test_a_status_comes_as_often_as_told(issuer: Issuer, behavior: str, options: dict[str, Any], status: int) -> None:
    issuer.answer(behavior, times=2, **options)
    statuses = [(answer := get(issuer)).status for _ in range(2)]
    assert statuses == ([200, status] if behavior == "flapping" else [status, status])
    assert answer.header("Location") == options.get("to")
    assert answer.header("Retry-After") == options.get("headers", {}).get("Retry-After")
    assert get(issuer).status == 200
    assert get(issuer, path=issuer.openid_path).status == 200


def test_bodies_that_are_no_key_set(issuer: Issuer) -> None:
    issuer.answer("garbage")
    with pytest.raises(UnicodeDecodeError):
        get(issuer).body.decode()
    issuer.answer("malformed")
    with pytest.raises(json.JSONDecodeError):
        get(issuer).json  # noqa: B018 - reading it raises
    issuer.answer("empty_set")
    assert get(issuer).json == {"keys": []}
    issuer.answer("body", text="<html>", headers={"Content-Type": "text/html"})
    assert (get(issuer).body, get(issuer).header("Content-Type")) == (b"<html>", "text/html")


def test_bodies_that_are_sound_in_part(issuer: Issuer) -> None:
    issuer.answer("bad_key")
    keys = jwk.from_jwks(get(issuer).body, ALL_ALGORITHMS)
    assert [key.key_id for key in keys.keys] == [issuer.current]
    assert len(keys.skipped) == 1
    issuer.answer("many_keys", count=65)
    assert len(set(key_ids(get(issuer)))) == 65


@pytest.mark.parametrize("chunked", [True, False])
def test_a_huge_body_is_sound_but_for_its_length(issuer: Issuer, chunked: bool) -> None:  # noqa: FBT001 - a parameter
    issuer.answer("huge", size=300_001, chunked=chunked)
    answer = get(issuer)
    assert len(answer.body) == 300_001
    assert key_ids(answer) == [issuer.current]


def test_a_compressed_body_comes_unasked(issuer: Issuer) -> None:
    issuer.answer("gzip", padding=1_000_000)
    answer = get(issuer)
    assert answer.header("Content-Encoding") == "gzip"
    assert len(answer.body) < 10_000
    assert len(gzip.decompress(answer.body)) > 1_000_000


@pytest.mark.parametrize(
    ("behavior", "options", "error"),
    [
        ("wrong_length", {"by": 10}, http.client.IncompleteRead),
        ("cut_off", {}, http.client.IncompleteRead),
        ("cut_off", {"chunked": True}, http.client.IncompleteRead),
        ("drop", {}, http.client.RemoteDisconnected),
        ("drop", {"reset": True}, ConnectionResetError),
    ],
)
def test_an_answer_that_ends_too_early(issuer: Issuer, behavior: str, options: Any, error: type[Exception]) -> None:
    issuer.answer(behavior, times=1, **options)
    with pytest.raises(error):
        get(issuer)
    assert get(issuer).status == 200


def test_a_content_length_that_is_too_small_hides_the_end(issuer: Issuer) -> None:
    whole = get(issuer).body
    issuer.answer("wrong_length", by=-5)
    assert get(issuer).body == whole[:-5]


def test_slow_answers_take_their_time(issuer: Issuer) -> None:
    issuer.answer("slow", seconds=0.3)
    started = time.monotonic()
    assert get(issuer).status == 200
    assert time.monotonic() - started >= 0.3
    issuer.document({"keys": []})
    issuer.answer("trickle", seconds=0.02, head=False)
    started = time.monotonic()
    assert get(issuer).json == {"keys": []}
    assert time.monotonic() - started >= 0.02 * 11


def test_a_closed_issuer_refuses_connections_until_it_is_opened_on_the_same_port(issuer: Issuer) -> None:
    kept = socket.create_connection(("127.0.0.1", port(issuer)), timeout=20)
    for _ in range(2):
        issuer.close()
        assert kept.recv(1) == b"", "open connections end as well"
        with pytest.raises(ConnectionRefusedError):
            get(issuer)
        issuer.reopen()
        assert get(issuer).status == 200
    kept.close()
    issuer.close()
    issuer.close()
    issuer.reopen()
    issuer.reopen()
    assert get(issuer).status == 200


def test_https_with_a_certificate_of_the_tests(tmp_path: Any) -> None:
    authority = Authority()
    with running_issuer(tmp_path, tls=authority.issue("issuer.example"), host="issuer.example") as issuer:
        assert issuer.jwks_url.startswith("https://issuer.example:")
        assert key_ids(get(issuer, tls=(authority.context(), "issuer.example"))) == ["K1"]
        with pytest.raises(OSError, match="certificate"):
            get(issuer, tls=(Authority("a stranger").context(), "issuer.example"))
        assert issuer.connections() == 2
        assert len(issuer.requests()) == 1
        assert key_ids(get(issuer, tls=(authority.context(), "issuer.example"))) == ["K1"]


def test_an_unknown_switch_or_option_fails_the_test(issuer: Issuer) -> None:
    for wrong in ({"behavior": "slow"}, {"behavior": "ok", "seconds": 1}, {"behavior": "nonsense"}):
        with pytest.raises(ValueError, match="answer"):
            issuer.answer(**wrong)
    with pytest.raises(ValueError, match="/nowhere"):
        issuer.answer("ok", on="/nowhere")


def test_clients_that_leave_early_or_speak_something_else_do_it_no_harm(issuer: Issuer) -> None:
    issuer.answer("huge", size=100_000_000)
    for sent in (f"GET {issuer.jwks_path} HTTP/1.1\r\n\r\n".encode(), b"\x16\x03\x01\r\n\r\n", b"GET /"):
        with socket.create_connection(("127.0.0.1", port(issuer)), timeout=20) as connection:
            connection.sendall(sent)
            if sent.startswith(b"GET /jwks"):
                assert connection.recv(10) == b"HTTP/1.1 2"
    issuer.answer("ok")
    assert get(issuer).status == 200
