"""`authgate proxy`: which configuration it reads, and where the files go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate.proxies import PROXIES
from authgate.proxies.settings import default_settings
from tests.support import commands

if TYPE_CHECKING:
    from pathlib import Path


ELSEWHERE = "issuers: [{name: a, preset: jwt, secret_env: NOWHERE, audiences: any}]\n"


@pytest.mark.parametrize(("proxy", "form"), [(proxy, form) for proxy, it in PROXIES.items() for form in it.forms])
def test_it_prints_the_files_one_after_another_or_writes_them(proxy: str, form: str, tmp_path: Path) -> None:
    address = "authgate.auth.svc:4190"
    files = PROXIES[proxy].forms[form](default_settings(address))
    command = ("proxy", proxy, "--defaults", "--form", form, "--address", address)
    printed = commands.authgate(*command, environ={})
    assert printed.returncode == 0
    assert printed.stdout == "\n".join(f"# --- {name} ---\n{text}" for name, text in files.items())
    folder = tmp_path / "new" / "folder"
    wrote = commands.authgate(*command, "--output", folder, environ={})
    assert wrote.returncode == 0
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert {str(path.relative_to(folder)): path.read_text() for path in written} == files
    assert all(name in wrote.stdout for name in files)


def test_the_help_says_what_each_proxy_has() -> None:
    shown = " ".join(commands.authgate("proxy", "--help", environ={}).stdout.split())
    for name, proxy in PROXIES.items():
        assert f"{name}: {proxy.reads}" in shown
        assert all(form in shown for form in proxy.forms)


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_headers_of_the_configuration_are_in_the_files(proxy: str, config_file: Path) -> None:
    config_file.write_text(config_file.read_text() + "headers: {X-Uid: subject}\n")
    printed = commands.authgate("proxy", proxy, "--config", config_file).stdout
    assert "X-Uid" in printed
    assert "X-User-Roles" in printed  # no client may send the default names either


def test_secrets_may_be_elsewhere(tmp_path: Path) -> None:
    config = tmp_path / "authgate.yaml"
    config.write_text(f"{ELSEWHERE}headers: {{X-Uid: subject}}\n")
    ended = commands.authgate("proxy", "nginx", "--config", config)
    assert ended.returncode == 0
    assert "X-Uid" in ended.stdout
    assert ended.stderr == (
        "warning: the configuration has 1 problem, such as a secret that is not on this machine: see authgate check\n"
    )


def test_a_configuration_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "authgate.yaml"
    config.write_text(f"{ELSEWHERE}headers: {{x: subject}}\n")
    ended = commands.authgate("proxy", "nginx", "--config", config)
    assert (ended.returncode, ended.stdout) == (78, "")
    assert "canonical header name" in ended.stderr


def test_without_a_configuration_it_names_the_option_for_the_defaults() -> None:
    ended = commands.authgate("proxy", "nginx", environ={})
    assert (ended.returncode, ended.stdout) == (78, "")
    assert "--defaults" in ended.stderr


def test_an_unknown_form_is_refused_with_those_that_exist() -> None:
    ended = commands.authgate("proxy", "nginx", "--defaults", "--form", "labels", environ={})
    assert ended.returncode == 2
    assert "files" in ended.stderr


NO_ADDRESSES = ("a b:1", "a;b:1", "a{:1", "", "a\nb:1", "a", ":1", "a:0", "a:65536", "http://a:1", "a:1/x", "4190")


@pytest.mark.parametrize("address", [*NO_ADDRESSES, "https://a:1/x"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    assert commands.authgate("proxy", "nginx", "--defaults", "--address", address, environ={}).returncode == 2


@pytest.mark.parametrize("form", PROXIES["traefik"].forms)
def test_behind_another_proxy_its_networks_are_in_every_form(form: str) -> None:
    options = ("proxy", "traefik", "--defaults", "--form", form, "--behind", "192.0.2.7, 10.0.0.0/8")
    printed = commands.authgate(*options, environ={}).stdout
    assert "192.0.2.7/32" in printed
    assert "10.0.0.0/8" in printed
    assert printed.lower().count("x-forwarded-host: ") == 1


@pytest.mark.parametrize(
    ("proxy", "networks", "message"),
    [
        ("traefik", "all", "'all' is not an address or a subnet"),
        ("traefik", "10.0.0.1/8", "write 10.0.0.0/8 for the subnet or 10.0.0.1"),
        ("traefik", "::/0", "::/0 is every address"),
        ("traefik", "0.0.0.0/1, 128.0.0.0/1", "0.0.0.0/0 is every address"),
        ("traefik", "8000::/1,192.0.2.7,::/1", "::/0 is every address"),
        ("traefik", "::ffff:0:0/96", "0.0.0.0/0 is every address"),
        ("traefik", "::ffff:0:0/97,128.0.0.0/1", "0.0.0.0/0 is every address"),
        ("nginx", "10.0.0.0/8", "--behind is for Traefik"),
    ],
)
def test_networks_that_are_none_or_all_are_refused(proxy: str, networks: str, message: str) -> None:
    ended = commands.authgate("proxy", proxy, "--defaults", "--behind", networks, environ={})
    assert ended.returncode == 2
    assert message in ended.stderr


@pytest.mark.parametrize(
    ("proxy", "address"),
    [("traefik", "unix:/run/authgate.sock"), ("nginx", "https://127.0.0.1:1"), ("nginx", "https://[::1]:1")],
)
def test_an_address_that_the_proxys_files_cannot_have_is_refused(proxy: str, address: str) -> None:
    assert commands.authgate("proxy", proxy, "--defaults", "--address", address, environ={}).returncode == 2


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = commands.authgate("proxy", "nginx", "--defaults", "--output", tmp_path / "file" / "x", environ={})
    assert ended.returncode == 1
    assert "cannot write" in ended.stderr


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_folder_of_the_certificates_is_in_the_files(proxy: str) -> None:
    options = ("--defaults", "--address", "https://authgate.internal:4190")
    assert f"/etc/{proxy}/authgate/ca.crt" in commands.authgate("proxy", proxy, *options, environ={}).stdout
    elsewhere = commands.authgate("proxy", proxy, *options, "--certificates", "/srv/tls", environ={}).stdout
    assert "/srv/tls/ca.crt" in elsewhere
    assert f"/etc/{proxy}/authgate" not in elsewhere
    assert commands.authgate("proxy", proxy, *options, "--certificates", "a;b", environ={}).returncode == 2


def test_the_defaults_and_a_configuration_exclude_each_other(config_file: Path) -> None:
    ended = commands.authgate("proxy", "nginx", "--defaults", "--config", config_file)
    assert ended.returncode == 2
    assert "leave out --config" in ended.stderr
