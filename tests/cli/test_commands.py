"""The commands, run as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support import processes
from tests.support.tokens import NOW, OTHER_SECRET, SECRET, claims, mint, public_jwk

if TYPE_CHECKING:
    from pathlib import Path

ENVIRON = {"JWT_SECRET": SECRET.decode(), "AUTHGATE_AUDIENCE": "tasks"}


def run(*arguments: object, environ: dict[str, str] | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "authgate", *map(str, arguments)]
    if environ is None:  # a file says all by itself
        environ = {} if "--config" in arguments else ENVIRON
    clean = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environ}
    return subprocess.run(
        command, capture_output=True, text=True, env=clean, cwd=processes.ROOT, input=stdin, timeout=60, check=False
    )


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    path = tmp_path / "authgate.yaml"
    path.write_text(
        f"issuers: [{{name: app, preset: jwt, secret_file: {tmp_path / 'secret'}, audiences: [tasks, other], "
        "issuer: 'https://issuer.example'}]\n"
    )
    return path


def test_help_lists_every_command() -> None:
    text = run("--help").stdout
    for name in ("serve", "check", "mint", "explain", "healthcheck"):
        assert f"\n  {name} " in text
        assert run(name, "--help").returncode == 0


def test_an_unknown_command_is_a_usage_error() -> None:
    assert run("sevre").returncode == 2


def test_check_prints_the_effective_configuration_with_secrets_hidden(config_file: Path) -> None:
    ended = run("check", "--config", config_file, environ={"AUTHGATE_LEEWAY_SECONDS": "5"})
    assert ended.returncode == 0, ended.stderr
    effective = yaml.safe_load(ended.stdout)
    assert effective["leeway_seconds"] == 5
    assert effective["issuers"][0]["audiences"] == ["tasks", "other"]
    assert len(effective["issuers"][0]["secret_fingerprint"]) == 8
    assert SECRET.decode() not in ended.stdout + ended.stderr


def test_check_hides_a_secret_that_stands_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"issuers: [{{name: a, preset: jwt, secret: {SECRET.decode()}, audiences: any}}]\n")
    ended = run("check", "--config", path)
    assert ended.returncode == 0, ended.stderr
    assert yaml.safe_load(ended.stdout)["issuers"][0]["secret"] == "(hidden)"
    assert SECRET.decode() not in ended.stdout + ended.stderr


def test_check_tells_every_problem_and_exits_78(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("listn: x\nleeway_seconds: 900\nissuers: [{name: a, preset: jwt, secret: short}]\n")
    ended = run("check", "--config", path)
    assert ended.returncode == 78
    assert ended.stdout == ""
    for setting in ("listn", "leeway_seconds", "issuers[0].audiences", "issuers[0].secret"):
        assert f"  {setting}: " in ended.stderr
    assert "did you mean listen?" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_serve_refuses_a_bad_configuration_in_the_same_words(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("listn: x\n")
    assert run("serve", "--config", path).stderr == run("check", "--config", path).stderr
    assert run("serve", "--config", path).returncode == 78


def test_check_prints_the_json_schema_without_any_configuration() -> None:
    ended = run("check", "--schema", environ={})
    assert ended.returncode == 0
    schema = json.loads(ended.stdout)
    assert schema["properties"]["trusted_proxies"]["description"].startswith("Addresses and subnets")
    assert schema["additionalProperties"] is False


def test_the_fingerprint_is_what_the_documented_node_command_prints(config_file: Path) -> None:
    node = processes.program("node", fix="apt-get install nodejs")
    page = (processes.ROOT / "docs" / "troubleshooting.md").read_text()
    line = next(line for line in page.splitlines() if line.strip().startswith("node -e "))
    printed = subprocess.run(
        ["sh", "-c", line.strip().replace("node ", f"{node} ", 1)],
        env={"BETTER_AUTH_SECRET": SECRET.decode()},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout.strip()
    effective = yaml.safe_load(run("check", "--config", config_file).stdout)
    assert effective["issuers"][0]["secret_fingerprint"] == printed


def test_a_minted_token_is_explained_as_allowed(config_file: Path) -> None:
    token = run(
        "mint", "--config", config_file, "--sub", "u1", "--claim", "name=Ada", "--claim", 'roles=["a","b"]'
    ).stdout
    ended = run("explain", "--config", config_file, "--json", stdin=token)
    assert ended.returncode == 0, ended.stdout
    explained = json.loads(ended.stdout)
    assert explained["outcome"] == "allow"
    assert explained["reason"] is None
    assert explained["policy"] == "default"
    assert explained["headers"] == {"X-User-Id": "u1", "X-User-Email": "", "X-User-Name": "Ada", "X-User-Roles": "a,b"}
    assert [check["name"] for check in explained["checks"]] == ["policy", "credential", "token", "times", "headers"]
    assert all(check["passed"] for check in explained["checks"])


@pytest.mark.parametrize(("lifetime", "reason"), [("-5m", "expired"), ("90s", None), ("7d", None)])
def test_a_minted_token_lives_as_long_as_it_was_asked_to(lifetime: str, reason: str | None) -> None:
    token = run("mint", "--sub", "u1", "--expires-in", lifetime).stdout
    assert json.loads(run("explain", "--json", stdin=token).stdout)["reason"] == reason


@pytest.mark.parametrize(
    "arguments",
    [["--sub", "u", "--expires-in", "soon"], ["--sub", "u", "--claim", "novalue"], [], ["--sub", "u", "--issuer", "x"]],
)
def test_mint_explains_bad_arguments(arguments: list[str]) -> None:
    ended = run("mint", *arguments)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


def test_mint_cannot_sign_with_a_public_key(tmp_path: Path) -> None:
    keys, config = tmp_path / "jwks.json", tmp_path / "c.yaml"
    keys.write_text(json.dumps(public_jwk("ES256")))
    config.write_text(f"issuers: [{{name: a, preset: jwt, jwks_file: {keys}, audiences: any}}]\n")
    ended = run("mint", "--config", config, "--sub", "u")
    assert ended.returncode == 2
    assert "tokens are made for issuers of preset jwt with a shared secret" in ended.stderr


def test_explain_takes_the_clock_and_says_what_failed_in_words() -> None:
    token = mint(claims(aud="tasks"))
    assert run("explain", "--at", NOW, stdin=token).returncode == 0
    ended = run("explain", "--at", NOW + 10_000, stdin=f"Bearer {token}\n")
    assert ended.returncode == 1
    assert ended.stdout.startswith("REFUSED  expired: The token has expired.\n")
    assert "✗ times        expired 9100 s ago" in ended.stdout


def test_explain_tells_a_wrong_secret_from_a_wrong_audience() -> None:
    for token, reason in (
        (mint(claims(aud="tasks"), key=OTHER_SECRET), "bad_signature"),
        (mint(claims(aud="x")), "wrong_audience"),
    ):
        ended = run("explain", "--json", "--at", NOW, stdin=token)
        assert (ended.returncode, json.loads(ended.stdout)["reason"]) == (1, reason)


def explain_request(tmp_path: Path, description: Any) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "request.json"
    path.write_text(json.dumps(description))
    return run("explain", "--json", "--at", NOW, "--request", path)


def test_explain_reads_a_request_as_the_client_sent_it(tmp_path: Path) -> None:
    token = mint(claims(aud="tasks"))
    request: dict[str, Any] = {
        "method": "POST",
        "url": "https://app.example.com/api?q=1",
        "headers": {"Cookie": f"access_token={token}"},
    }
    assert explain_request(tmp_path, request).returncode == 0
    request["headers"]["Origin"] = "https://evil.example"
    assert json.loads(explain_request(tmp_path, request).stdout)["reason"] == "csrf"


def test_explain_reads_a_request_as_the_proxy_sent_it(tmp_path: Path) -> None:
    pairs = [
        ["X-Original-Method", "GET"],
        ["X-Original-URL", "http://a/"],
        ["Authorization", f"Bearer {mint(claims(aud='tasks'))}"],
    ]
    assert explain_request(tmp_path, {"adapter": "nginx", "headers": pairs}).returncode == 0
    ended = explain_request(tmp_path, {"adapter": "nginx", "headers": pairs[1:]})
    assert ended.returncode == 1
    explained = json.loads(ended.stdout)
    assert explained["reason"] == "unreadable_request"
    assert explained["checks"][-1]["detail"] == "the header X-Original-Method is missing"


@pytest.mark.parametrize(
    "description",
    [
        [],
        {"url": "http://a/"},
        {"adapter": "haproxy", "headers": {}},
        {"method": "GET", "url": "http://a/", "headers": 3},
    ],
)
def test_explain_says_what_is_wrong_with_its_input(tmp_path: Path, description: Any) -> None:
    ended = explain_request(tmp_path, description)
    assert ended.returncode == 2
    assert "Error: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_explain_without_a_token_is_a_usage_error() -> None:
    assert run("explain").returncode == 2


def test_healthcheck_says_whether_the_admin_port_is_ready(tmp_path: Path) -> None:
    config = "issuers: [{name: app, preset: jwt, secret_env: JWT_SECRET, audiences: any}]\n"
    environ = {"JWT_SECRET": SECRET.decode()}
    with processes.authgate(tmp_path, config, environ=environ) as running:
        assert run("healthcheck", "--config", running.config).returncode == 0
    ended = run("healthcheck", "--config", running.config)
    assert ended.returncode == 1
    assert "does not answer" in ended.stderr


def test_healthcheck_works_over_a_unix_socket(tmp_path: Path) -> None:
    config = "issuers: [{name: app, preset: jwt, secret_env: JWT_SECRET, audiences: any}]\n"
    environ = {"JWT_SECRET": SECRET.decode(), "AUTHGATE_ADMIN__LISTEN": f"unix:{tmp_path / 'admin.sock'}"}
    with processes.authgate(tmp_path, config, environ=environ) as running:
        assert run("healthcheck", "--config", running.config, environ=environ).returncode == 0
