"""The example stack by containers: deploy/stack/compose.yml, brought up by docs/stack.md's lines."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.client import ask, bearer
from tests.support.compose import Project, forget_neighbours
from tests.support.documented import blocks
from tests.support.podman import attempt, eventually, inspect, logs, podman
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
    """The running stack, as tests/support/stack.py's clients know one, and whoever has signed up."""

    project: Project
    administrator_password: str = ""
    url: str = "http://localhost:8080"
    traefik_url: str = "http://localhost:8081"
    ports: dict[str, int] = field(default_factory=lambda: PORTS)
    first_words: dict[str, str] = field(default_factory=dict)
    users: dict[str, Client] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Bring everything up as the documentation says, Traefik, too."""
        (lines,) = blocks("docs/stack.md", "By containers")
        self.project.run(lines.replace(" up ", " --profile traefik up "))
        forget_neighbours(CONTAINERS.values())
        for edge in PORTS:
            eventually(lambda edge=edge: status(edge, "/sign-in") == 200, everything_said)

    def stop(self, *options: str) -> None:
        self.project.run(f"{COMPOSE} down --timeout 3 {' '.join(options)}")


def status(edge: str, path: str, *headers: str) -> int:
    try:
        return ask(PORTS[edge], path, *headers, host=f"localhost:{PORTS[edge]}").status
    except OSError:
        return 0


def everything_said() -> str:
    return "\n".join(f"--- {name}\n{logs(container)[-3000:]}" for name, container in CONTAINERS.items())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One user signs up through each proxy: Better Auth allows three in ten seconds."""
    folder = tmp_path_factory.mktemp("project")
    site = Site(Project(folder, "deploy/nginx", *(f"deploy/stack/{name}" for name in STACK)))
    try:
        site.start()
        secrets = folder / "deploy" / "stack" / "secrets"
        site.administrator_password = (secrets / "administrator_password").read_text()
        for edge in PORTS:
            site.users[edge] = Client(site, edge)
            site.ids[edge] = site.users[edge].sign_up(f"{edge}@example.com", name=edge)
            assert site.users[edge].ask(ME).status == 200, everything_said()
        site.first_words = {name: logs(container) for name, container in CONTAINERS.items()}
        yield site
    finally:
        site.stop("--volumes")


@pytest.fixture(params=sorted(PORTS))
def edge(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run_in(service: str, *command: str) -> subprocess.CompletedProcess[str]:
    return attempt("exec", CONTAINERS[service], *command)


# Who gets through.


def test_whoever_signed_up_is_known_to_the_task_service_and_their_tasks_are_their_own(site: Site, edge: str) -> None:
    user = site.users[edge]
    me = user.ask(ME).json
    assert (me["id"], me["email"], me["name"]) == (site.ids[edge], f"{edge}@example.com", edge)
    assert user.ask(TASKS, body={"title": f"by {edge}"}).status == 201
    assert [task["title"] for task in user.ask(TASKS).json["items"]] == [f"by {edge}"]


def test_a_session_of_one_proxy_counts_at_the_other(site: Site) -> None:
    other = site.users["nginx"].copy()
    other._port, other.origin = PORTS["traefik"], site.traefik_url
    assert other.ask(ME).json["id"] == site.ids["nginx"]


def test_a_jwt_passes_by_the_keys_that_authgate_fetched_from_the_front_end(site: Site, edge: str) -> None:
    token = site.users[edge].ask("/api/auth/token").json["token"]
    answer = ask(PORTS[edge], ME, bearer(token))
    assert (answer.status, answer.json["id"]) == (200, site.ids[edge])


def test_the_administrator_of_the_secrets_can_sign_in(site: Site) -> None:
    assert administrator(site).ask(ME).json["roles"] == ["admin"]


SPOOFED = ("X-User-Id: admin", "x-user-id: admin", "X_User_Id: admin", "X-User-Roles: admin", "Connection: x-user-id")


def test_nobody_can_claim_to_be_somebody_else(site: Site, edge: str) -> None:
    answer = site.users[edge].ask(ME, *SPOOFED)
    assert (answer.status, answer.json["id"], answer.json["roles"]) == (200, site.ids[edge], ["user"])
    refused = ask(PORTS[edge], ME, *SPOOFED)
    assert (refused.status, refused.json["reason"]) == (401, "no_credential")


# Who reaches whom.

ADDRESSES = {"tasks": ("172.30.94.2", 8001), "web": ("172.30.93.2", 3000), "authgate": ("172.30.92.2", 4190)}

# Prints the status of a request that claims to be somebody, in the language that the container has.
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
def test_who_is_no_proxy_does_not_reach_the_task_service(site: Site, service: str, host: str) -> None:
    ran = run_in(service, *SPOOFS[service], f"http://{host}:8001")
    assert ran.returncode == 1
    assert "admin" not in ran.stdout
    assert UNREACHED.search(ran.stderr), ran


def test_who_would_reach_the_task_service_could_claim_to_be_anybody(site: Site) -> None:
    """So the test above is about something, and its requests are sound."""
    ran = run_in("nginx", *SPOOFS["nginx"], "http://tasks:8001")
    assert json.loads(ran.stdout)["id"] == "admin", ran
    ran = run_in("web", "node", "-e", SPOOF_BY_NODE.replace(ME, "/api/auth/ok"), "http://web:3000")
    assert json.loads(ran.stdout) == {"ok": True}, ran


def test_every_container_is_in_its_networks_alone(site: Site) -> None:
    found = {
        name: {network.partition("_")[2] for network in inspect(container)["NetworkSettings"]["Networks"]}
        for name, container in CONTAINERS.items()
    }
    assert found == {
        "db": {"db_web", "db_tasks", "db_authgate"},
        "web": {"web", "keys", "db_web"},
        "tasks": {"tasks", "db_tasks"},
        "authgate": {"auth", "keys", "db_authgate"},
        "nginx": {"auth", "web", "tasks"},
        "traefik": {"auth", "web", "tasks"},
    }


def test_the_task_service_reaches_nothing_but_its_networks(site: Site) -> None:
    connect = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"
    for host, port in (ADDRESSES["authgate"], ADDRESSES["web"], ("172.30.92.1", PORTS["nginx"])):
        assert run_in("tasks", "python3", "-c", connect, host, str(port)).returncode == 1, host
    assert run_in("tasks", "python3", "-c", connect, "db", "5432").returncode == 0, "it can connect at all"


def test_nothing_but_the_proxies_is_published(site: Site) -> None:
    for closed in (3000, 8001, 4190, 4191, 5432):
        with pytest.raises(ConnectionRefusedError):
            ask(closed, "/healthz")


# What the roles of the database can do.

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
    """Run SQL in AuthGate's container, with what AuthGate has; return rows, or the error's name."""
    ran = run_in("authgate", "python3", "-c", CONNECT, "{}", *statements)
    assert ran.stdout.startswith("connected"), ran
    return [json.loads(line) for line in ran.stdout.splitlines()[1:]]


MAY = """
SELECT n.nspname, c.relname, privilege FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
  unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND has_any_column_privilege(c.oid, privilege)
ORDER BY 2
"""


def test_authgates_role_reads_two_views_and_nothing_else(site: Site) -> None:
    sessions, users, may = as_authgate("SELECT token FROM authgate.session", 'SELECT id FROM authgate."user"', MAY)
    assert len(sessions) >= len(site.users)
    assert {*site.ids.values()} <= {row[0] for row in users}
    assert may == [["authgate", "session", "SELECT"], ["authgate", "user", "SELECT"]]


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
def test_authgates_role_is_refused_even_when_it_leaves_its_read_only_mode(site: Site, statement: str) -> None:
    *_, refused = as_authgate("SET default_transaction_read_only = off", statement)
    assert refused == "InsufficientPrivilegeError"


def test_authgates_role_is_in_read_only_mode_by_itself(site: Site) -> None:
    assert as_authgate("SHOW transaction_read_only") == [[["on"]]]


@pytest.mark.parametrize("user", ["web", "tasks", "postgres"])
def test_nobody_becomes_another_role_by_its_password(site: Site, user: str) -> None:
    ran = run_in("authgate", "python3", "-c", CONNECT, json.dumps({"user": user}))
    assert ran.stdout.strip() == "InvalidPasswordError", ran


# How the containers are run.

USERS = {"db": 999, "web": 65532, "tasks": 65532, "authgate": 65532, "nginx": 101, "traefik": 65532}


def process(service: str) -> dict[str, str]:
    """Return what the kernel says of the container's first process."""
    lines = Path(f"/proc/{inspect(CONTAINERS[service])['State']['Pid']}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.mark.parametrize("service", sorted(CONTAINERS))
def test_every_container_is_hardened(site: Site, service: str) -> None:
    found = process(service)
    assert set(found["Uid"].split()) == {str(USERS[service])}
    assert {int(found[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
    host = inspect(CONTAINERS[service])["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert not host["Privileged"]
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert host["RestartPolicy"]["Name"] == "unless-stopped"


@pytest.mark.parametrize("service", MIGRATIONS)
def test_a_migration_is_hardened_too_and_runs_once(site: Site, service: str) -> None:
    found = inspect(f"authgate-stack_{service}_1")
    assert found["HostConfig"]["ReadonlyRootfs"]
    assert (found["EffectiveCaps"] or []) == []
    assert found["Config"]["User"] == "65532:65532"
    assert found["HostConfig"]["RestartPolicy"]["Name"] in {"", "no"}
    assert (found["State"]["Status"], found["State"]["ExitCode"], found["RestartCount"]) == ("exited", 0, 0)


ALARMING = re.compile(r"warn|error|fatal|traceback|critical|refused|denied|emerg|\u2a2f", re.IGNORECASE)
# Local connections are those within db's container; and the way from AuthGate to db is a network of these two alone.
EXPECTED = re.compile('initdb: warning: enabling "trust" authentication|the way to the database may be in clear text')


@pytest.mark.parametrize("service", sorted(CONTAINERS))
def test_what_a_start_and_sound_requests_print_is_not_alarming(site: Site, service: str) -> None:
    lines = site.first_words[service].splitlines()
    assert [line for line in lines if ALARMING.search(line) and not EXPECTED.search(line)] == []


# What comes back.


def everybody_is_served(site: Site) -> bool:
    return all(status(edge, ME, cookie_of(site.users[edge])) == 200 for edge in PORTS) and all(
        status(edge, TASKS, cookie_of(site.users[edge])) == 200 for edge in PORTS
    )


def cookie_of(client: Client) -> str:
    return "Cookie: " + "; ".join(f"{name}={value}" for name, value in client.cookies.items())


@pytest.mark.parametrize("service", ["db", "authgate", "web", "tasks"])
def test_a_part_that_is_restarted_is_found_again_by_all_others(site: Site, service: str) -> None:
    podman("restart", "--time=5", CONTAINERS[service])
    forget_neighbours(CONTAINERS.values())
    eventually(lambda: everybody_is_served(site), everything_said)
    eventually(lambda: status("nginx", "/sign-in") == 200, everything_said)


def test_while_the_database_is_away_nobody_is_let_in_and_nobody_is_signed_out(site: Site) -> None:
    podman("stop", "--time=5", CONTAINERS["db"])
    try:
        user = cookie_of(site.users["nginx"])
        eventually(lambda: status("nginx", ME, user) == 503, "AuthGate's answers are held for 5 s")
        assert status("nginx", ME) == 401
    finally:
        podman("start", CONTAINERS["db"])
        forget_neighbours(CONTAINERS.values())
    eventually(lambda: everybody_is_served(site), everything_said)


def test_after_down_and_up_users_and_sessions_and_tasks_are_still_there(site: Site) -> None:
    """The same lines as the first time: the secrets stay, and the migrations find nothing to do."""
    secrets = site.project.folder / "deploy" / "stack" / "secrets"
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    titles = {edge: site.users[edge].ask(TASKS).json for edge in PORTS}
    site.stop()
    assert status("nginx", "/sign-in") == 0
    site.start()
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before
    assert {edge: site.users[edge].ask(TASKS).json for edge in PORTS} == titles
    assert "0 tables made, 0 tables extended" in logs("authgate-stack_web-migrate_1")
    assert "Running upgrade" not in logs("authgate-stack_tasks-migrate_1")
