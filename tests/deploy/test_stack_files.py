"""What deploy/stack/compose.yml says, and its secrets. tests/images/test_stack.py runs it."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import yaml

from authgate.config.load import load
from authgate.proxies.nginx import generator as nginx
from authgate.proxies.settings import proxy_settings
from deploy.stack.run import ADMINISTRATOR
from tests.support.documented import code
from tests.support.processes import ROOT, program

if TYPE_CHECKING:
    from pathlib import Path

STACK = ROOT / "deploy" / "stack"
COMPOSE = yaml.safe_load((STACK / "compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
PROXIES = {"nginx", "traefik"}
MIGRATIONS = {"web-migrate", "tasks-migrate"}


def members(network: str) -> set[str]:
    return {name for name, service in SERVICES.items() if network in service["networks"]}


# The services.


def test_only_the_proxies_ports_are_published_and_only_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"nginx": ["127.0.0.1:8080:8080"], "traefik": ["127.0.0.1:8081:8080"]}


def test_only_files_of_the_repository_are_mounted_and_read_only() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source, _, rest = mount.partition(":")
            if source not in COMPOSE["volumes"]:
                assert (STACK / source).exists(), mount
                assert rest.endswith(":ro"), mount


def test_each_service_gets_the_secrets_that_it_reads_and_no_others() -> None:
    assert {name: set(service.get("secrets", [])) for name, service in SERVICES.items()} == {
        "db": {"postgres_password", "web_password", "tasks_password", "authgate_password"},
        "web-migrate": {"better_auth_secret", "web_database_url", "administrator_password"},
        "web": {"better_auth_secret", "web_database_url"},
        "tasks-migrate": {"tasks_database_url"},
        "tasks": {"tasks_database_url"},
        "authgate": {"better_auth_secret", "machine_secret", "authgate_database_url"},
        "nginx": set(),
        "traefik": set(),
    }


def test_every_service_waits_for_what_it_needs() -> None:
    waits = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
    migrated, healthy = {"condition": "service_completed_successfully"}, {"condition": "service_healthy"}
    assert waits == {
        "db": {},
        "web-migrate": {"db": healthy},
        "tasks-migrate": {"db": healthy},
        "web": {"web-migrate": migrated},
        "tasks": {"tasks-migrate": migrated},
        "authgate": {"web-migrate": migrated},
        **{proxy: {"authgate": healthy, "tasks": healthy, "web": healthy} for proxy in PROXIES},
    }


# The networks.


def test_only_the_proxies_and_its_database_share_a_network_with_the_task_service() -> None:
    assert members("tasks") == {"tasks", *PROXIES}
    assert members("db_tasks") == {"tasks", "tasks-migrate", "db"}
    assert set(SERVICES["tasks"]["networks"]) == {"tasks", "db_tasks"}


def test_each_network_has_the_members_that_need_it() -> None:
    assert {network: members(network) for network in COMPOSE["networks"]} == {
        "auth": {"authgate", *PROXIES},
        "web": {"web", *PROXIES},
        "tasks": {"tasks", *PROXIES},
        "keys": {"authgate", "web"},
        "db_web": {"db", "web", "web-migrate"},
        "db_tasks": {"db", "tasks", "tasks-migrate"},
        "db_authgate": {"db", "authgate"},
    }


def test_every_network_is_internal_except_the_one_for_the_published_ports() -> None:
    """Docker publishes no port of a container that is in internal networks alone."""
    assert {name for name, network in COMPOSE["networks"].items() if not network.get("internal")} == {"auth"}


def test_authgate_trusts_the_addresses_of_the_proxies_and_no_other_container_gets_one() -> None:
    addresses = {name: SERVICES[name]["networks"]["auth"]["ipv4_address"] for name in members("auth")}
    trusted = SERVICES["authgate"]["environment"]["AUTHGATE_TRUSTED_PROXIES"].split(",")
    assert sorted(trusted) == sorted(addresses[name] for name in PROXIES)
    (pool,) = COMPOSE["networks"]["auth"]["ipam"]["config"]
    for address in addresses.values():
        assert ip_address(address) in ip_network(pool["subnet"])
        assert ip_address(address) not in ip_network(pool["ip_range"])


def test_every_upstream_of_nginx_has_a_fixed_address() -> None:
    for upstream in ("authgate", "web", "tasks"):
        (network,) = set(SERVICES[upstream]["networks"]) & set(SERVICES["nginx"]["networks"])
        (pool,) = COMPOSE["networks"][network]["ipam"]["config"]
        address = ip_address(SERVICES[upstream]["networks"][network]["ipv4_address"])
        assert address in ip_network(pool["subnet"])
        assert address not in ip_network(pool["ip_range"])


def test_the_two_compose_files_use_different_networks() -> None:
    other = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    pools = [pool for file in (COMPOSE, other) for network in file["networks"].values() for pool in pools_of(network)]
    assert len(set(pools)) == len(pools)


def pools_of(network: dict[str, Any]) -> list[str]:
    return [pool["subnet"] for pool in network.get("ipam", {}).get("config", [])]


# `make stack` and the containers agree.


def test_the_containers_have_the_settings_of_make_stack() -> None:
    assert SERVICES["web-migrate"]["environment"]["ADMIN_EMAIL"] == ADMINISTRATOR
    authgate = yaml.safe_load((STACK / "authgate" / "authgate.yaml").read_text())
    issuer, machines = authgate["issuers"]
    assert SERVICES["web"]["environment"]["BETTER_AUTH_URL"] == f"${{APP_URL:-{issuer['url']}}}"
    mounted = {f"/run/secrets/{name}" for name in SERVICES["authgate"]["secrets"]}
    assert {issuer["secret_file"], issuer["sessions"]["postgres"]["dsn_file"], machines["secret_file"]} == mounted
    assert authgate["login_url"] == f"{issuer['url']}/sign-in"
    keys = urlsplit(issuer["jwks_url"])
    assert keys.hostname in members("keys")


def test_the_readme_shows_the_policies_of_the_stack() -> None:
    (shown,) = code("README.md", "yaml")
    assert (STACK / "authgate" / "authgate.yaml").read_text().endswith(f"\n{shown}")


def test_the_files_of_nginx_are_generated_from_the_configuration_of_the_stack() -> None:
    loaded = load(STACK / "authgate" / "authgate.yaml", {})
    assert loaded.config is not None
    shipped = {path.name: path.read_text() for path in (STACK / "edge" / "nginx").iterdir()}
    assert nginx.files(proxy_settings(loaded.config, loaded, "authgate:4190")) == shipped, "run: make proxies"


# make-secrets.


def make_secrets(folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    program("openssl", fix="apt-get install openssl")
    command = [shutil.which("sh"), str(STACK / "make-secrets"), str(folder)]
    return subprocess.run(command, env=environ or None, capture_output=True, text=True, timeout=60, check=False)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "deep" / "secrets"
    ran = make_secrets(folder)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    return folder


def test_exactly_the_secrets_of_the_compose_file_are_created(secrets: Path) -> None:
    assert {f"./secrets/{name}" for name in contents(secrets)} == {
        secret["file"] for secret in COMPOSE["secrets"].values()
    }
    assert COMPOSE["secrets"] == {name: {"file": f"./secrets/{name}"} for name in COMPOSE["secrets"]}


def test_the_secrets_are_long_and_all_different_and_new_each_time(secrets: Path, tmp_path: Path) -> None:
    values = contents(secrets)
    assert min(len(values[name]) for name in ("better_auth_secret", "machine_secret")) >= 64
    assert len(values["administrator_password"]) >= 20
    assert all(len(value) == 48 for name, value in values.items() if name.endswith("_password") and "admin" not in name)
    make_secrets(tmp_path / "other")
    assert len({*values.values(), *contents(tmp_path / "other").values()}) == 2 * len(values)
    assert not any("\n" in value for value in values.values())


@pytest.mark.parametrize("role", ["web", "tasks", "authgate"])
def test_a_database_url_has_the_password_of_its_role(secrets: Path, role: str) -> None:
    url = urlsplit((secrets / f"{role}_database_url").read_text())
    assert (url.scheme, url.username, url.hostname, url.port, url.path) == ("postgresql", role, "db", 5432, "/app")
    assert url.password == (secrets / f"{role}_password").read_text()


def test_only_the_owner_can_open_the_folder_and_containers_can_read_the_files(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets.iterdir()} == {0o644}


def test_a_second_run_keeps_existing_secrets_and_creates_missing_ones_and_fixes_modes(secrets: Path) -> None:
    before = contents(secrets)
    (secrets / "tasks_database_url").unlink()
    (secrets / "administrator_password").write_text("of-my-own-choice")
    (secrets / "web_password").chmod(0o600)
    secrets.chmod(0o755)
    assert make_secrets(secrets).returncode == 0
    assert contents(secrets) == before | {"administrator_password": "of-my-own-choice"}
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert stat.S_IMODE((secrets / "web_password").stat().st_mode) == 0o644


def test_without_openssl_no_secret_is_created_and_the_message_says_how_to_install_it(tmp_path: Path) -> None:
    ran = make_secrets(tmp_path / "secrets", PATH="/nowhere")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "apt-get install openssl" in ran.stderr
    assert not (tmp_path / "secrets").exists()


def test_an_openssl_that_fails_leaves_no_secret(tmp_path: Path) -> None:
    broken = tmp_path / "bin" / "openssl"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    ran = make_secrets(tmp_path / "secrets", PATH=f"{broken.parent}:/usr/bin:/bin")
    assert ran.returncode == 1
    assert contents(tmp_path / "secrets") == {}


def test_no_secret_is_committed() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", "deploy/stack/secrets/web_password"], cwd=ROOT, capture_output=True, check=False
    )
    assert ignored.returncode == 0 or not (ROOT / ".git").exists()


def test_the_scripts_are_executable() -> None:
    """PostgreSQL's image sources a script that is not executable, and `set -u` would apply to its shell."""
    for name in ("database/init.sh", "make-secrets"):
        assert (STACK / name).stat().st_mode & stat.S_IXOTH, name


# Packages of npm.


@pytest.mark.parametrize("place", ["deploy/stack/web", "tests/better_auth", "tests/upstreams"])
def test_npm_verifies_each_package_and_the_lock_names_no_registry(place: str) -> None:
    packages = json.loads((ROOT / place / "package-lock.json").read_text())["packages"]
    del packages[""]  # the project itself
    assert packages
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
