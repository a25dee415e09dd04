"""The command group: what `authgate` and every `--help` print."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

import authgate
from tests.support import commands, tokens

COMMANDS = ("init", "serve", "check", "mint", "explain", "keys", "healthcheck")


def test_help_lists_every_command() -> None:
    text = commands.authgate("--help").stdout
    for name in COMMANDS:
        assert f"\n  {name} " in text


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_into_80_columns(name: str) -> None:
    ended = commands.authgate(*name.split(), "--help")
    assert ended.returncode == 0
    assert max(map(len, ended.stdout.splitlines())) <= 80


def test_the_help_and_the_package_name_what_authgate_verifies() -> None:
    for text in (commands.authgate("--help").stdout, str(authgate.__doc__)):
        for word in ("nginx", "Traefik", "Caddy", "session", "Better Auth", "Auth.js", "NextAuth 4", "JWT"):
            assert word in " ".join(text.split())


def test_an_unknown_command_is_a_usage_error() -> None:
    assert commands.authgate("sevre").returncode == 2


def test_the_version_is_the_packages() -> None:
    first, libraries = commands.authgate("--version").stdout.splitlines()
    assert first == f"authgate, version {authgate.__version__}"
    assert all(f"{library} {version}" in libraries for library, version in authgate.TESTED_WITH.items())


@pytest.mark.parametrize("argument", ["GOCSPX-Zq9WxTk3", "--sk_live_Zq9WxTk3", "-----BEGIN PRIVATE KEY-----\nZq9WxTk3"])
@pytest.mark.parametrize("command", ["init google", "init", "check", "serve"])
def test_a_secret_that_does_not_belong_there_is_not_printed(command: str, argument: str) -> None:
    ended = commands.authgate(*command.split(), argument, environ={})
    assert ended.returncode == 2
    assert "Zq9WxTk3" not in ended.stdout + ended.stderr
    assert "(not shown: it may be a secret)" in ended.stderr


def test_a_token_instead_of_a_command_is_refused_without_being_printed() -> None:
    token = tokens.mint()
    ended = commands.authgate(token)
    assert ended.returncode == 2
    assert "authgate explain <token.txt" in ended.stderr
    assert token[:10] not in ended.stdout + ended.stderr


def test_sigterm_during_the_imports_ends_the_process_wherever_it_arrives() -> None:
    """Python ignores an exception that is raised while an object is deleted, such as that of sys.exit()."""
    script = """
import os, signal, sys
class Deleted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
class Importing:
    def find_spec(self, name, *_):
        if name == "authgate.cli":
            Deleted()
sys.meta_path.insert(0, Importing())
sys.argv = ["authgate", "--version"]
from authgate.__main__ import main
main()
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=60)
    assert ran.returncode == 128 + signal.SIGTERM
