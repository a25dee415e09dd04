"""docker-compose.yml with its three proxies, run by podman-compose: who may do what, and what can connect to what."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.client import Answer, ask, bearer, cookie
from tests.support.compose import Project, forget_neighbors
from tests.support.documented import blocks
from tests.support.e2e import sound
from tests.support.podman import attempt, eventually, inspect, is_healthy, logs, podman
from tests.support.processes import stop
from tests.support.tokens import OTHER_SECRET, mint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PORTS = {"nginx": 8080, "traefik": 8081, "caddy": 8082}
CONTAINERS = {name: f"authgate_{name}_1" for name in ("authgate", "tasks", *PORTS)}
ME = "/api/v1/auth/me"
FILES = ("docker-compose.yml", "deploy")


class Stack:
    """The running stack, the secret of its tokens, and what each container printed at its start."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.start_logs: dict[str, str] = {}

    def token(self, **changes: Any) -> str:
        return mint(sound(**{"sub": "ada"} | changes), key=self._secret)


@pytest.fixture(scope="module")
def engine_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The engine's API, where Traefik can read labels."""
    path = tmp_path_factory.mktemp("engine") / "docker.sock"
    process = subprocess.Popen(["podman", "system", "service", "--time=0", f"unix://{path}"])
    try:
        eventually(path.exists, "podman offers no socket")
        path.chmod(0o660)  # as Docker's
        yield str(path)
    finally:
        stop(process)


def test_the_lines_of_the_page_work_as_written(engine_socket: str, tmp_path: Path) -> None:
    """Those that start nginx, and those that then add Traefik, which reads labels."""
    (lines,), (labels,) = blocks("docs/compose.md", "Start"), blocks("docs/compose.md", "Traefik by labels")
    project = Project(tmp_path, *FILES, DOCKER_SOCKET=engine_socket)
    try:
        printed = project.run(lines)
        assert "HTTP/1.1 200 OK" in printed
        assert '"id":"ada"' in printed
        project.run(labels)
        by_labels = Stack((tmp_path / "secrets" / "jwt_secret").read_bytes().strip())
        forget_neighbors(CONTAINERS[name] for name in ("authgate", "tasks", "nginx", "traefik"))
        port = PORTS["traefik"]
        eventually(lambda: status(port, by_labels.token()) == 200, lambda: logs(CONTAINERS["traefik"]))
        assert ask(port, ME, *SPOOFED).json["reason"] == "no_credential"
        assert ask(port, "/healthz", *SPOOFED[:4]).json == {"status": "ok", "user": ""}
        assert ask(port, f"/healthz/..;{ME}").status == 400
        assert inspect(CONTAINERS["traefik"])["Config"]["User"].partition(":")[0] == "65532"
    finally:
        project.run("docker compose --profile traefik down --timeout 3")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    project = Project(tmp_path_factory.mktemp("project"), *FILES)
    project.run("mkdir -m 700 secrets && openssl rand -base64 48 >secrets/jwt_secret")
    project.run("docker compose --profile traefik --profile caddy up --detach")
    try:
        stack = Stack((project.folder / "secrets" / "jwt_secret").read_bytes().strip())
        all_serve(stack)
        stack.start_logs = {service: logs(name) for service, name in CONTAINERS.items()}
        yield stack
    finally:
        project.run("docker compose --profile traefik --profile caddy down --timeout 3")


@pytest.fixture(params=sorted(PORTS))
def port(request: pytest.FixtureRequest) -> int:
    return PORTS[request.param]


def status(port: int, token: str) -> int:
    try:
        return ask(port, ME, bearer(token)).status
    except OSError:
        return 0


def all_serve(stack: Stack) -> None:
    """Wait until every proxy serves. Run the health checks, because podman runs them with systemd only."""
    for service in ("authgate", "tasks"):
        eventually(lambda name=CONTAINERS[service]: is_healthy(name), all_logs)
    forget_neighbors(CONTAINERS.values())
    for port in PORTS.values():
        eventually(lambda port=port: status(port, stack.token()) == 200, all_logs)


def all_logs() -> str:
    return "\n".join(f"--- {name}\n{logs(container)}" for name, container in CONTAINERS.items())


def user(answer: Answer) -> str:
    assert answer.status == 200, answer
    return str(answer.json["id"])


def in_container(service: str, code: str) -> subprocess.CompletedProcess[str]:
    """Run Python *code* in a running container of *service*."""
    return attempt("exec", CONTAINERS[service], "python3", "-c", code)


def address(service: str, network: str) -> str:
    return str(inspect(CONTAINERS[service])["NetworkSettings"]["Networks"][f"authgate_{network}"]["IPAddress"])


# The main cases of tests/e2e, through the images.


def test_a_valid_token_is_accepted_in_header_and_cookie_and_the_service_gets_its_user(stack: Stack, port: int) -> None:
    assert user(ask(port, ME, bearer(stack.token()))) == "ada"
    assert user(ask(port, ME, cookie(stack.token()))) == "ada"


def test_a_request_without_a_token_or_with_a_bad_one_is_refused_with_the_reason(stack: Stack, port: int) -> None:
    refused = {
        "no_credential": (),
        "expired": (bearer(stack.token(exp=1_700_000_000, iat=1_699_999_000)),),
        "bad_signature": (bearer(mint(sound(), key=OTHER_SECRET)),),
        "wrong_audience": (bearer(stack.token(aud="other")),),
        "malformed_token": (bearer("not.a.token"),),
    }
    for reason, headers in refused.items():
        answer = ask(port, ME, *headers)
        assert (answer.status, answer.json["reason"]) == (401, reason)


SPOOFED = ("X-User-Id: admin", "x-user-id: admin", "X_User_Id: admin", "X-User-Roles: admin", "Connection: x-user-id")


def test_a_client_cannot_pose_as_another_user(stack: Stack, port: int) -> None:
    answer = ask(port, ME, bearer(stack.token()), *SPOOFED)
    assert user(answer) == "ada"
    assert answer.json["roles"] == []
    assert ask(port, ME, *SPOOFED).status == 401
    assert ask(port, "/healthz", *SPOOFED[:4]).json == {"status": "ok", "user": ""}


@pytest.mark.parametrize("start", ["/healthz/..", "/healthz/%2e%2e", "/healthz/..%2f", "/healthz/..;", "/", "/x/../."])
def test_no_spelling_of_a_protected_path_reaches_the_service_without_a_token(
    stack: Stack, port: int, start: str
) -> None:
    assert ask(port, start + ME).status in {400, 401, 404}


def test_the_service_gets_no_credential_on_a_route_that_strips_them(stack: Stack, port: int) -> None:
    """nginx and Caddy remove only the cookie with a token. Traefik can only remove all cookies."""
    left = [] if port == PORTS["traefik"] else ["cookie"]
    assert ask(port, ME, bearer(stack.token()), cookie(stack.token())).json["credentials"] == left


def test_a_users_tasks_are_their_own(stack: Stack, port: int) -> None:
    headers = (bearer(stack.token(sub=f"ada-{port}")), "Content-Type: application/json")
    made = ask(port, "/api/v1/tasks", *headers, method="POST", body=json.dumps({"title": "read the log"}).encode())
    assert made.status == 201
    assert [task["title"] for task in ask(port, "/api/v1/tasks", *headers).json] == ["read the log"]
    assert ask(port, "/api/v1/tasks", bearer(stack.token(sub="bob"))).json == []


# What can connect to what.


def test_neither_the_service_nor_authgate_publishes_a_port(stack: Stack) -> None:
    for closed in (8001, 4190, 4191):
        with pytest.raises(ConnectionRefusedError):
            ask(closed, "/healthz")


def test_authgate_does_not_share_a_network_with_the_service(stack: Stack) -> None:
    assert set(inspect(CONTAINERS["tasks"])["NetworkSettings"]["Networks"]) == {"authgate_tasks"}
    assert set(inspect(CONTAINERS["authgate"])["NetworkSettings"]["Networks"]) == {"authgate_auth"}
    by_address = f"import socket; socket.create_connection(({address('tasks', 'tasks')!r}, 8001), 3)"
    by_name = "import socket; socket.create_connection(('tasks', 8001), 3)"
    for code in (by_address, by_name):
        assert in_container("authgate", code).returncode == 1
    itself = "import socket; socket.create_connection(('authgate', 4190), 60)"
    assert in_container("authgate", itself).returncode == 0, "it can connect to itself"


def test_the_service_can_connect_to_its_network_only(stack: Stack) -> None:
    reach = "import socket; socket.create_connection(({!r}, {}), 3)"
    assert in_container("tasks", reach.format(address("authgate", "auth"), 4190)).returncode == 1
    assert in_container("tasks", reach.format("172.30.90.1", PORTS["nginx"])).returncode == 1, "the machine itself"


def test_a_container_of_the_same_network_that_is_not_a_proxy_is_refused(stack: Stack) -> None:
    """Its address is from ip_range, and AuthGate trusts no address of it."""
    code = (
        "import urllib.request as u, urllib.error as e\n"
        "r = u.Request('http://authgate:4190/auth/nginx', headers={'X-Original-Method': 'GET', "
        f"'X-Original-URL': 'https://app.example.com/', 'Authorization': 'Bearer {stack.token()}'}})\n"
        "try: print(u.urlopen(r, timeout=5).status)\n"
        "except e.HTTPError as refused: print(refused.code, refused.headers['X-AuthGate-Reason'])"
    )
    run = ("run", "--rm", "--network=authgate_auth", "--entrypoint=python3", "localhost/authgate:0.1.0", "-c", code)
    assert podman(*run) == "403 untrusted_proxy"
    line = next(line for line in logs(CONTAINERS["authgate"]).splitlines() if '"untrusted_proxy"' in line)
    peer = json.loads(line)["peer"]
    assert re.fullmatch(r"172\.30\.90\.(12[89]|1[3-9]\d|2\d\d)", peer)
    assert f"trusted_proxies: [{peer}]" in line


@pytest.mark.parametrize("proxy", ["nginx", "caddy"])  # Traefik waits for 30 s; no setting changes that
def test_while_authgate_hangs_requests_are_refused_and_no_user_is_signed_out(stack: Stack, proxy: str) -> None:
    port = PORTS[proxy]
    podman("kill", "--signal=STOP", CONTAINERS["authgate"])
    try:
        assert ask(port, ME, bearer(stack.token())).status in {500, 503}
        assert ask(port, "/healthz").status == 200
    finally:
        podman("kill", "--signal=CONT", CONTAINERS["authgate"])
    eventually(lambda: status(port, stack.token()) == 200, "it does not serve again")


def test_while_authgate_is_down_requests_are_refused_and_afterwards_every_proxy_finds_it_again(stack: Stack) -> None:
    podman("stop", "--time=5", CONTAINERS["authgate"])
    for port in PORTS.values():
        assert ask(port, ME, bearer(stack.token())).status in {500, 503}
    podman("start", CONTAINERS["authgate"])
    all_serve(stack)


# How the containers are run.


@pytest.mark.parametrize("service", sorted(CONTAINERS))
def test_every_container_is_hardened(stack: Stack, service: str) -> None:
    container = inspect(CONTAINERS[service])
    host = container["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert (container["EffectiveCaps"] or []) == (["CAP_NET_BIND_SERVICE"] if service == "caddy" else [])
    assert not host["Privileged"]
    assert "no-new-privileges" in str(host["SecurityOpt"])
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert container["Config"]["User"] == ("10101:10101" if service == "nginx" else "65532:65532")
    assert (host["Memory"], host["PidsLimit"]) == (256 * 1024 * 1024, 256)
    assert (host["CpuQuota"], host["CpuPeriod"]) == (100_000, 100_000)
    assert host["LogConfig"]["Size"] == "10MB"


@pytest.mark.parametrize("service", sorted(CONTAINERS))
def test_every_container_is_healthy(stack: Stack, service: str) -> None:
    assert is_healthy(CONTAINERS[service])


def test_a_proxy_that_hangs_is_not_healthy(stack: Stack) -> None:
    """podman sets health checks no time limit, as Docker does. Traefik's has its own."""
    podman("kill", "--signal=STOP", CONTAINERS["traefik"])
    try:
        assert not is_healthy(CONTAINERS["traefik"])
    finally:
        podman("kill", "--signal=CONT", CONTAINERS["traefik"])


ALARMING = re.compile(r"warn|error|fatal|traceback|critical|refused|denied|emerg", re.IGNORECASE)


@pytest.mark.parametrize("service", sorted(CONTAINERS))
def test_a_start_and_valid_requests_print_nothing_alarming(stack: Stack, service: str) -> None:
    assert [line for line in stack.start_logs[service].splitlines() if ALARMING.search(line)] == []
    if service == "authgate":
        assert '"event": "listening on 0.0.0.0:4190' in stack.start_logs[service], "the log is of the start"
