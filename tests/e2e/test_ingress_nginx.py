"""ingress-nginx, as its controller configures nginx, on the files of `authgate proxy nginx --form ingress`."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from authgate.core.header_names import OVERRIDES, look_alikes
from authgate.core.spellings import SPELLINGS
from authgate.proxies.nginx import ingress
from authgate.proxies.settings import default_settings
from tests.e2e.conftest import CONFIG, ENVIRON
from tests.support import processes
from tests.support.caddy_sites import answering
from tests.support.client import ask, bearer
from tests.support.documented import code
from tests.support.e2e import identity, sound
from tests.support.ingress_nginx import ingress_nginx, server
from tests.support.raw_connection import RawConnection
from tests.support.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.processes import RunningAuthGate

PAGE = "docs/adapters/ingress-nginx.md"
SIGN_IN = "https://app.example.com/sign-in"
SIGN_IN_ANNOTATIONS = {"auth-signin": SIGN_IN, "auth-signin-redirect-param": "return_to"}
NAVIGATION = "Sec-Fetch-Mode: navigate"
USER = bearer(mint(sound()))
# An Ingress each: with the generated annotations, with a page to sign in, with neither, and as many write it, without
# the generated files.
INGRESSES = ("generated", "signin", "public", "short")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\na frame"
WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAuthGate]:
    config = f"{CONFIG}login_url: {SIGN_IN}\n"
    with processes.authgate(tmp_path_factory.mktemp("authgate"), config, environ=ENVIRON) as running:
        yield running


@pytest.fixture(scope="module")
def ports(running: RunningAuthGate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    folder = tmp_path_factory.mktemp("ingress")
    made = ingress.files(default_settings(f"127.0.0.1:{running.port}"))
    annotations, values = (yaml.safe_load(text) for text in made.values())
    asking, controller = annotations["metadata"]["annotations"], values["controller"]
    url = next(value for name, value in asking.items() if name.endswith("auth-url"))
    short = {"auth-url": url, "auth-response-headers": "X-User-Id,X-User-Email"}
    ports = {name: processes.free_port() for name in (*INGRESSES, "websocket")}
    with ExitStack() as parts:
        upstream = parts.enter_context(processes.echo(folder))
        kinds: dict[str, tuple[dict[str, str], dict[str, Any], int]] = {
            "generated": (asking, controller, upstream),
            "signin": (asking | SIGN_IN_ANNOTATIONS, controller, upstream),
            "public": ({}, controller, upstream),
            "short": (short, {}, upstream),
            "websocket": (asking, controller, parts.enter_context(answering(SWITCHED))),
        }
        servers = [server(ports[name], to, stated, under) for name, (stated, under, to) in kinds.items()]
        parts.enter_context(ingress_nginx(folder, servers, ports["short"], controller["config"]["http-snippet"]))
        yield ports | {"authgate": running.port}


@pytest.mark.parametrize("name", ["generated", "short"])
def test_requests_of_every_kind_pass_with_the_identity(ports: dict[str, int], name: str) -> None:
    got = ask(ports[name], "/api/x?q=1", USER)
    posted = ask(ports[name], "/api/x", USER, method="POST", body=b"body")
    with RawConnection(ports[name]) as connection:
        lines = ["POST /api/x HTTP/1.1", "Host: app.example.com", USER, "Transfer-Encoding: chunked"]
        status, body = connection.ask("\r\n".join([*lines, "", "4", "body", "0", "", ""]))
    assert (status, json.loads(body)["body_bytes"]) == (200, 4)
    assert got.status == posted.status == 200
    assert (got.json["path"], posted.json["method"], posted.json["body_bytes"]) == ("/api/x?q=1", "POST", 4)
    for answer in (got, posted):
        assert identity(answer.json) == {"x-user-id": ["user-1"], "x-user-email": ["u1@example.com"]}


def test_a_client_cannot_send_an_identity_or_another_method(ports: dict[str, int]) -> None:
    for name in (*default_settings().identity_headers, *OVERRIDES):
        others = [f"{spelling}: forged" for spelling in look_alikes(name)]
        answers = [
            ask(ports["public"], "/x", f"{name}: forged", *others),
            ask(ports["generated"], "/api/x", f"{name}: forged", USER),
        ]
        for answer in answers:
            assert answer.status == 200
            assert "forged" not in [value for _, value in answer.json["headers"]], name
        assert ask(ports["generated"], "/api/x", *others, USER).status == 403


def test_a_header_that_auth_response_headers_leaves_out_reaches_the_service_as_the_client_sent_it(
    ports: dict[str, int],
) -> None:
    assert identity(ask(ports["short"], "/api/x", USER, "X-User-Roles: admin").json)["x-user-roles"] == ["admin"]
    assert "x-user-roles" not in identity(ask(ports["generated"], "/api/x", USER, "X-User-Roles: admin").json)


def test_identity_headers_over_4_kib_need_the_annotation(ports: dict[str, int]) -> None:
    name = "n" * 5000
    user = bearer(mint(sound(name=name)))
    assert identity(ask(ports["generated"], "/api/x", user).json)["x-user-name"] == [name]
    assert ask(ports["short"], "/api/x", user).status == 500


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_refusal_is_401_or_leads_every_client_to_the_page_to_sign_in(ports: dict[str, int], accept: str) -> None:
    refused = ask(ports["generated"], "/api/x?q=1", f"Accept: {accept}")
    assert (refused.status, (refused.header("WWW-Authenticate") or "")[:6]) == (401, "Bearer")
    assert refused.header("X-AuthGate-Reason") is None
    redirected = ask(ports["signin"], "/api/x?q=1", f"Accept: {accept}")
    assert redirected.status == 302
    assert redirected.header("Location") == f"{SIGN_IN}?return_to=http://app.example.com/api/x?q=1"


def test_the_page_has_the_annotations() -> None:
    text = (processes.ROOT / PAGE).read_text()
    lines = "".join(f"nginx.ingress.kubernetes.io/{name}: {value}\n" for name, value in SIGN_IN_ANNOTATIONS.items())
    assert f"```\n{lines}```" in text


def test_the_redirect_of_authgate_does_not_reach_the_client(ports: dict[str, int]) -> None:
    direct = ask(
        ports["authgate"],
        "/auth/nginx",
        "X-Original-Method: GET",
        "X-Original-URL: https://app.example.com/x",
        NAVIGATION,
    )
    assert (direct.status, (direct.header("Location") or "").partition("?")[0]) == (401, SIGN_IN)
    answer = ask(ports["generated"], "/api/x", NAVIGATION)
    assert answer.status == 401
    assert (answer.header("Location"), answer.header("Set-Cookie")) == (None, None)
    assert b"nginx" in answer.body


def test_a_websocket_passes_and_no_other_upgrade(ports: dict[str, int]) -> None:
    assert ask(ports["websocket"], "/ws", *WEBSOCKET).status == 401
    assert ask(ports["websocket"], "/ws", USER, "Connection: Upgrade", "Upgrade: h2c").status == 400
    head = "\r\n".join(["GET /ws HTTP/1.1", "Host: app.example.com", USER, *WEBSOCKET, "", ""])
    with socket.create_connection(("127.0.0.1", ports["websocket"]), timeout=20) as client:
        client.sendall(head.encode())
        received = b""
        while chunk := client.recv(65536):
            received += chunk
    assert received.startswith(b"HTTP/1.1 101 ")
    assert received.endswith(b"\r\n\r\na frame")


def test_an_ambiguous_path_and_a_second_host_get_400_on_public_routes_too(ports: dict[str, int]) -> None:
    for name in ("generated", "public"):
        for path in (path for spelling in SPELLINGS for path in spelling.examples):
            assert ask(ports[name], path, USER).status == 400, path
        assert ask(ports[name], "http://admin.example.com/", USER).status == 400
    assert ask(ports["public"], "/ordinary/caf%C3%A9?a=/../").status == 200


def test_an_address_that_the_controller_does_not_reach_is_refused() -> None:
    problems = [ingress.address_problem(default_settings(address)) for address in (None, "[::1]:1", "a.svc:4190")]
    assert [problem is not None and "--address authgate.authgate.svc:4190" in problem for problem in problems] == [
        True, True, False,
    ]  # fmt: skip


def test_the_page_shows_the_generated_annotations() -> None:
    (shown,) = code(PAGE, "yaml")
    made = ingress.files(default_settings("authgate.authgate.svc:4190"))["ingress-annotations.yaml"]
    assert yaml.safe_load(shown)["metadata"]["annotations"] == yaml.safe_load(made)["metadata"]["annotations"]
