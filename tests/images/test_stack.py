"""The example stack in containers: deploy/stack/compose.yml, started with the lines of docs/stack.md."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.client import ask, bearer
from tests.support.compose import Project, forget_neighbors
from tests.support.documented import blocks
from tests.support.podman import attempt, eventually, inspect, is_healthy, logs, podman
from tests.support.stack import Client, administrator

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

PORTS = {"nginx": 8080, "traefik": 8081}
CONTAINERS = {name: f"authgate-stack_{name}_1" for name in ("db", "web", "tasks", "authgate", *PORTS)}
MIGRATIONS = ("web-migrate", "tasks-migrate")
STACK = ("authgate", "compose.yml", "database", "edge", "make-secrets")
COMPOSE = "docker compose --file deploy/stack/compose.yml --profile traefik"
ME = "/api/v1/auth/me"
TASKS = "/api/v1/tasks"


@dataclass
class Site:
    """The running stack, with the attributes that tests/support/stack.py's clients need, and its users."""

    project: Project
    administrator_password: str = ""
    url: str = "http://localhost:8080"
    traefik_url: str = "http://localhost:8081"
    ports: dict[str, int] = field(default_factory=lambda: PORTS)
    start_logs: dict[str, str] = field(default_factory=dict)
    users: dict[str, Client] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Start everything as the documentation says, and Traefik."""
        (lines,) = blocks("docs/stack.md", "By containers")
        self.project.run(lines.replace(" up ", " --profile traefik up "))
        forget_neighbors(CONTAINERS.values())
        for edge in PORTS:
            eventually(lambda edge=edge: status(edge, "/sign-in") == 200, all_logs)

    def stop(self, *options: str) -> None:
        self.project.run(f"{COMPOSE} down --timeout 3 {' '.join(options)}")


def status(edge: str, path: str, *headers: str) -> int:
    try:
        return ask(PORTS[edge], path, *headers, host=f"localhost:{PORTS[edge]}").status
    except OSError:
        return 0


def all_logs() -> str:
    return "\n".join(f"--- {name}\n{logs(container)[-3000:]}" for name, container in CONTAINERS.items())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The stack, with one user signed up through each proxy: Better Auth allows three sign-ups in ten seconds."""
    folder = tmp_path_factory.mktemp("project")
    site = Site(Project(folder, *(f"deploy/stack/{name}" for name in STACK)))
    try:
        site.start()
        secrets = folder / "deploy" / "stack" / "secrets"
        site.administrator_password = (secrets / "administrator_password").read_text()
        for edge in PORTS:
            site.users[edge] = Client(site, edge)
            site.ids[edge] = site.users[edge].sign_up(f"{edge}@example.com", name=edge)
            assert site.users[edge].ask(ME).status == 200, all_logs()
        site.start_logs = {name: logs(container) for name, container in CONTAINERS.items()}
        yield site
    finally:
        site.stop("--volumes")


@pytest.fixture(params=sorted(PORTS))
def edge(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run_in(service: str, *command: str) -> subprocess.CompletedProcess[str]:
    return attempt("exec", CONTAINERS[service], *command)


# Which requests pass.


def test_the_task_service_knows_a_user_who_signed_up_and_lists_only_their_tasks(site: Site, edge: str) -> None:
    user = site.users[edge]
    me = user.ask(ME).json
    assert (me["id"], me["email"], me["name"]) == (site.ids[edge], f"{edge}@example.com", edge)
    assert user.ask(TASKS, body={"title": f"by {edge}"}).status == 201
    assert [task["title"] for task in user.ask(TASKS).json["items"]] == [f"by {edge}"]


def test_the_front_end_reaches_the_proxy(site: Site, edge: str) -> None:
    shown = site.users[edge].ask("/inside/attempts/plain", method="POST").json
    assert shown["asExpected"], shown
    assert ["x-user-id", site.ids[edge]] in shown["seen"]


def test_a_session_from_one_proxy_is_valid_at_the_other(site: Site) -> None:
    other = site.users["nginx"].copy()
    other._port, other.origin = PORTS["traefik"], site.traefik_url
    assert other.ask(ME).json["id"] == site.ids["nginx"]


def test_a_jwt_is_verified_with_the_keys_of_the_front_end(site: Site, edge: str) -> None:
    token = site.users[edge].ask("/api/auth/token").json["token"]
    answer = ask(PORTS[edge], ME, bearer(token))
    assert (answer.status, answer.json["id"]) == (200, site.ids[edge])


def test_the_administrator_can_sign_in_with_the_password_in_the_secrets(site: Site) -> None:
    assert administrator(site).ask(ME).json["roles"] == ["admin"]


def test_a_program_reads_the_report_with_a_token_under_its_secret(site: Site, edge: str) -> None:
    mint = ("authgate", "mint", "--issuer", "machines", "--sub", "reporter", "--scope", "reports:read")
    token = bearer(run_in("authgate", *mint).stdout.strip())
    assert ask(PORTS[edge], "/api/v1/reports/tasks", token).json.keys() == {"tasks", "done"}
    assert ask(PORTS[edge], TASKS, token).status == 403


SPOOFED = ("X-User-Id: admin", "x-user-id: admin", "X_User_Id: admin", "X-User-Roles: admin", "Connection: x-user-id")


def test_a_client_cannot_pose_as_another_user(site: Site, edge: str) -> None:
    answer = site.users[edge].ask(ME, *SPOOFED)
    assert (answer.status, answer.json["id"], answer.json["roles"]) == (200, site.ids[edge], ["user"])
    refused = ask(PORTS[edge], ME, *SPOOFED)
    assert (refused.status, refused.json["reason"]) == (401, "no_credential")


# What can connect to what.

ADDRESSES = {"tasks": ("172.30.94.2", 8001), "web": ("172.30.93.2", 3000), "authgate": ("172.30.92.2", 4190)}

# Prints the answer to a request with a forged identity, in the language that the container has.
SPOOF_BY_PYTHON = (
    "import sys, urllib.request as u\n"
    f"print(u.urlopen(u.Request(sys.argv[1] + {ME!r}, headers={{'X-User-Id': 'admin'}}), timeout=3).read().decode())"
)
SPOOF_BY_NODE = (
    f"fetch(process.argv[1] + {ME!r}, {{headers: {{'X-User-Id': 'admin'}}, signal: AbortSignal.timeout(3000)}})"
    ".then((a) => a.text()).then(console.log, (error) => { console.error(error); process.exit(1) })"
)
SPOOFS = {
    "web": ("node", "-e", SPOOF_BY_NODE),
    "authgate": ("python3", "-c", SPOOF_BY_PYTHON),
    "nginx": ("python3", "-c", SPOOF_BY_PYTHON),
}


UNREACHED = re.compile("timeout|timed out|ENETUNREACH|unreachable|EAI_AGAIN|ENOTFOUND|not known|resolution")


@pytest.mark.parametrize("service", ["web", "authgate"])
@pytest.mark.parametrize("host", ["tasks", "172.30.94.2"])
def test_a_container_that_is_not_a_proxy_cannot_connect_to_the_task_service(
    site: Site, service: str, host: str
) -> None:
    ran = run_in(service, *SPOOFS[service], f"http://{host}:8001")
    assert ran.returncode == 1
    assert "admin" not in ran.stdout
    assert UNREACHED.search(ran.stderr), ran


def test_a_client_that_reaches_the_task_service_can_pose_as_anybody(site: Site) -> None:
    """This shows that the test above can fail, and that its requests are correct."""
    ran = run_in("nginx", *SPOOFS["nginx"], "http://tasks:8001")
    assert json.loads(ran.stdout)["id"] == "admin", ran
    ran = run_in("web", "node", "-e", SPOOF_BY_NODE.replace(ME, "/api/auth/ok"), "http://web:3000")
    assert json.loads(ran.stdout) == {"ok": True}, ran


def test_every_container_is_in_its_networks_only(site: Site) -> None:
    networks = {
        name: {network.partition("_")[2] for network in inspect(container)["NetworkSettings"]["Networks"]}
        for name, container in CONTAINERS.items()
    }
    assert networks == {
        "db": {"db_web", "db_tasks", "db_authgate"},
        "web": {"web", "keys", "db_web"},
        "tasks": {"tasks", "db_tasks"},
        "authgate": {"auth", "keys", "db_authgate"},
        "nginx": {"auth", "web", "tasks"},
        "traefik": {"auth", "web", "tasks"},
    }


def test_the_task_service_can_connect_to_its_networks_only(site: Site) -> None:
    connect = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"
    for host, port in (ADDRESSES["authgate"], ADDRESSES["web"], ("172.30.92.1", PORTS["nginx"])):
        assert run_in("tasks", "python3", "-c", connect, host, str(port)).returncode == 1, host
    assert run_in("tasks", "python3", "-c", connect, "db", "5432").returncode == 0, "it can connect at all"


def test_only_the_proxies_publish_ports(site: Site) -> None:
    for closed in (3000, 8001, 4190, 4191, 5432):
        with pytest.raises(ConnectionRefusedError):
            ask(closed, "/healthz")


# The rights of the database's roles.

CONNECT = """
import asyncio, asyncpg, json, sys
async def main():
    url = open("/run/secrets/authgate_database_url").read()
    connection = await asyncpg.connect(url, timeout=5, **json.loads(sys.argv[1]))
    print("connected")
    for statement in sys.argv[2:]:
        try:
            print(json.dumps([list(map(str, row)) for row in await connection.fetch(statement)]))
        except asyncpg.PostgresError as error:
            print(json.dumps(type(error).__name__))
try:
    asyncio.run(main())
except asyncpg.PostgresError as error:
    print(type(error).__name__)
"""


def as_authgate(*statements: str) -> list[Any]:
    """Run SQL in AuthGate's container with AuthGate's credentials. Return the rows or the error's name of each."""
    ran = run_in("authgate", "python3", "-c", CONNECT, "{}", *statements)
    assert ran.stdout.startswith("connected"), ran
    return [json.loads(line) for line in ran.stdout.splitlines()[1:]]


PRIVILEGES = """
SELECT n.nspname, c.relname, privilege FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
  unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND has_any_column_privilege(c.oid, privilege)
ORDER BY 2
"""


def test_authgates_role_can_read_two_views_only(site: Site) -> None:
    sessions, users, privileges = as_authgate(
        "SELECT token FROM authgate.session", 'SELECT id FROM authgate."user"', PRIVILEGES
    )
    assert len(sessions) >= len(site.users)
    assert {*site.ids.values()} <= {row[0] for row in users}
    assert privileges == [["authgate", "session", "SELECT"], ["authgate", "user", "SELECT"]]


FORBIDDEN = (
    "SELECT password FROM public.account",
    "SELECT * FROM public.session",
    "SELECT * FROM tasks.task",
    "INSERT INTO authgate.session SELECT * FROM authgate.session",
    "UPDATE authgate.\"user\" SET role = 'admin'",
    "DELETE FROM authgate.session",
    "CREATE TABLE authgate.mine (id int)",
    "CREATE TABLE public.mine (id int)",
    "CREATE TEMPORARY TABLE mine (id int)",
    "CREATE SCHEMA mine",
    "SET ROLE web",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY (SELECT 1) TO PROGRAM 'true'",
)


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_authgates_role_is_refused_even_after_it_leaves_read_only_mode(site: Site, statement: str) -> None:
    *_, refused = as_authgate("SET default_transaction_read_only = off", statement)
    assert refused == "InsufficientPrivilegeError"


def test_authgates_role_is_in_read_only_mode_by_default(site: Site) -> None:
    assert as_authgate("SHOW transaction_read_only") == [[["on"]]]


@pytest.mark.parametrize("user", ["web", "tasks", "postgres"])
def test_authgates_password_works_for_no_other_role(site: Site, user: str) -> None:
    ran = run_in("authgate", "python3", "-c", CONNECT, json.dumps({"user": user}))
    assert ran.stdout.strip() == "InvalidPasswordError", ran


# How the containers are run.

USERS = {"db": 999, "web": 65532, "tasks": 65532, "authgate": 65532, "nginx": 10101, "traefik": 65532}


def process(service: str) -> dict[str, str]:
    """Return the kernel's status of the container's first process."""
    lines = Path(f"/proc/{inspect(CONTAINERS[service])['State']['Pid']}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.mark.parametrize("service", sorted(CONTAINERS))
def test_every_container_is_hardened(site: Site, service: str) -> None:
    kernel = process(service)
    assert set(kernel["Uid"].split()) == {str(USERS[service])}
    assert {int(kernel[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert (kernel["NoNewPrivs"], kernel["Seccomp"]) == ("1", "2")
    host = inspect(CONTAINERS[service])["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert not host["Privileged"]
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert host["LogConfig"]["Size"] == "10MB"
    assert host["RestartPolicy"]["Name"] == "unless-stopped"


@pytest.mark.parametrize("service", sorted(CONTAINERS))
def test_every_container_is_healthy(site: Site, service: str) -> None:
    assert is_healthy(CONTAINERS[service])


@pytest.mark.parametrize("service", MIGRATIONS)
def test_a_migration_is_hardened_too_and_runs_once(site: Site, service: str) -> None:
    container = inspect(f"authgate-stack_{service}_1")
    assert container["HostConfig"]["ReadonlyRootfs"]
    assert (container["EffectiveCaps"] or []) == []
    assert container["Config"]["User"] == "65532:65532"
    assert container["HostConfig"]["RestartPolicy"]["Name"] in {"", "no"}
    assert (container["State"]["Status"], container["State"]["ExitCode"], container["RestartCount"]) == ("exited", 0, 0)


ALARMING = re.compile(r"warn|error|fatal|traceback|critical|refused|denied|emerg|\u2a2f", re.IGNORECASE)
# Local connections are inside db's container, and only AuthGate and db are in the network between them.
EXPECTED = re.compile(
    'initdb: warning: enabling "trust" authentication|to the database may be in clear text'
    "|FATAL:  the database system is starting up"  # to a health check, on a busy machine
)


@pytest.mark.parametrize("service", sorted(CONTAINERS))
def test_a_start_and_valid_requests_print_nothing_alarming(site: Site, service: str) -> None:
    lines = site.start_logs[service].splitlines()
    assert [line for line in lines if ALARMING.search(line) and not EXPECTED.search(line)] == []


# Restarts.


def all_users_are_served(site: Site) -> bool:
    return all(status(edge, ME, cookie_of(site.users[edge])) == 200 for edge in PORTS) and all(
        status(edge, TASKS, cookie_of(site.users[edge])) == 200 for edge in PORTS
    )


def cookie_of(client: Client) -> str:
    return "Cookie: " + "; ".join(f"{name}={value}" for name, value in client.cookies.items())


@pytest.mark.parametrize("service", ["db", "authgate", "web", "tasks"])
def test_the_other_parts_find_a_restarted_part_again(site: Site, service: str) -> None:
    podman("restart", "--time=5", CONTAINERS[service])
    forget_neighbors(CONTAINERS.values())
    eventually(lambda: all_users_are_served(site), all_logs)
    eventually(lambda: status("nginx", "/sign-in") == 200, all_logs)


def test_while_the_database_is_down_requests_are_refused_and_no_user_is_signed_out(site: Site) -> None:
    podman("stop", "--time=5", CONTAINERS["db"])
    try:
        user = cookie_of(site.users["nginx"])
        eventually(lambda: status("nginx", ME, user) == 503, "AuthGate caches answers for 5 s")
        assert status("nginx", ME) == 401
    finally:
        podman("start", CONTAINERS["db"])
        forget_neighbors(CONTAINERS.values())
    eventually(lambda: all_users_are_served(site), all_logs)


def test_users_and_sessions_and_tasks_survive_down_and_up(site: Site) -> None:
    """The same lines as the first time: the secrets are kept, and the migrations have nothing to do."""
    secrets = site.project.folder / "deploy" / "stack" / "secrets"
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    titles = {edge: site.users[edge].ask(TASKS).json for edge in PORTS}
    site.stop()
    assert status("nginx", "/sign-in") == 0
    site.start()
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before
    assert {edge: site.users[edge].ask(TASKS).json for edge in PORTS} == titles
    assert "0 tables created, 0 tables extended" in logs("authgate-stack_web-migrate_1")
    assert "Running upgrade" not in logs("authgate-stack_tasks-migrate_1")
