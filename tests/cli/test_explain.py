"""`authgate explain`: the decision on one request, check by check."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support import commands
from tests.support.issuer import running_issuer
from tests.support.tokens import NOW, OTHER_SECRET, SECRET, claims, mint

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = mint(claims(aud="tasks"))


def explain(stdin: str | bytes, *arguments: object) -> dict[str, Any]:
    ended = commands.authgate("explain", "--json", "--at", NOW, *arguments, stdin=stdin)
    assert ended.stderr == ""
    decision: dict[str, Any] = json.loads(ended.stdout)
    assert ended.returncode == (0 if decision["outcome"] == "allow" else 1)
    return decision


def explain_request(tmp_path: Path, description: Any) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "request.json"
    path.write_text(json.dumps(description))
    return commands.authgate("explain", "--json", "--at", NOW, "--request", path)


# -- what it prints --------------------------------------------------------------------------------------------------


def test_an_allowed_request_has_every_check_and_header() -> None:
    decision = explain(TOKEN)
    assert decision["outcome"] == "allow"
    assert decision["reason"] is None
    assert decision["policy"] == "default"
    assert decision["headers"] == {"X-User-Id": "user-1", "X-User-Email": "", "X-User-Name": "", "X-User-Roles": ""}
    assert [check["name"] for check in decision["checks"]] == ["policy", "credential", "token", "times", "headers"]
    assert all(check["passed"] for check in decision["checks"])


def test_it_takes_the_clock_and_says_what_failed_in_words() -> None:
    ended = commands.authgate("explain", "--at", NOW + 10_000, stdin=f"Bearer {TOKEN}\n")
    assert ended.returncode == 1
    assert ended.stdout.startswith("REFUSED  expired: ")
    assert "✗ times        expired 9100 s ago" in ended.stdout


def test_a_wrong_audience_is_not_a_wrong_secret() -> None:
    assert explain(mint(claims(aud="x")))["reason"] == "wrong_audience"
    assert explain(mint(claims(aud="tasks"), key=OTHER_SECRET))["reason"] == "bad_signature"


def test_a_bad_signature_shows_the_fingerprint_of_check_and_how_to_compare_it() -> None:
    checked = yaml.safe_load(commands.authgate("check").stdout)["issuers"][0]["secret_fingerprint"]
    ended = commands.authgate("explain", "--at", NOW, stdin=mint(claims(aud="tasks"), key=OTHER_SECRET))
    assert f"✗ token        its alg is HS256; tried 1 key: secret with fingerprint {checked}" in ended.stdout
    assert f"If it prints {checked}, the secrets agree" in ended.stdout
    (line,) = [line for line in ended.stdout.splitlines() if "sha256sum" in line]
    for secret, agrees in ((SECRET, True), (OTHER_SECRET, False)):
        printed = subprocess.run(
            ["sh", "-c", line], env={"JWT_SECRET": secret.decode()}, capture_output=True, text=True, check=True
        ).stdout
        assert (printed == f"{checked}\n") is agrees
    assert SECRET.decode() not in ended.stdout


def test_the_line_to_compare_names_the_variable_that_holds_the_secret() -> None:
    environ = {"BETTER_AUTH_SECRET": SECRET.decode(), "BETTER_AUTH_URL": "https://app.example.com"}
    ended = commands.authgate(
        "explain", "--at", NOW, stdin=mint(claims(aud="tasks"), key=OTHER_SECRET), environ=environ
    )
    (line,) = [line for line in ended.stdout.splitlines() if "sha256sum" in line]
    assert '"$BETTER_AUTH_SECRET"' in line


def test_a_signature_by_another_key_pair_shows_no_fingerprint_of_a_secret(tmp_path: Path) -> None:
    with running_issuer(tmp_path) as remote, running_issuer(tmp_path) as other:
        config = tmp_path / "c.yaml"
        config.write_text(
            f"issuers: [{{name: app, preset: jwt, issuer: '{remote.url}', jwks_url: '{remote.jwks_url}', "
            "allow_http: true, audiences: [tasks]}]\n"
        )
        token = other.token(iss=remote.url)
        ended = commands.authgate("explain", "--config", config, stdin=token)
        assert "REFUSED  bad_signature" in ended.stdout
        assert "tried 1 key: ES256 K1" in ended.stdout
        assert "sha256sum" not in ended.stdout
        assert commands.authgate("explain", "--config", config, stdin=remote.token()).returncode == 0


# -- what it reads ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stdin",
    [
        TOKEN,
        f"Authorization: Bearer {TOKEN}\n",
        f"Cookie: theme=dark; access_token={TOKEN}",
        f"curl -s -H 'Authorization: Bearer {TOKEN}' \\\n  'https://app.example.com/api/v1/tasks?q=1' | jq .",
        f"curl -b 'access_token={TOKEN}' /api/v1/tasks",
    ],
)
def test_what_people_paste_is_decided(stdin: str) -> None:
    assert explain(stdin)["outcome"] == "allow"


def test_a_pasted_url_is_a_request_without_credentials() -> None:
    assert explain("/api/v1/tasks")["reason"] == "no_credential"


@pytest.mark.parametrize(("origin", "reason"), [("https://app.example.com", None), ("https://evil.example", "csrf")])
def test_method_host_and_headers_of_a_curl_command_count(origin: str, reason: str | None) -> None:
    curl = f"curl -X DELETE -b access_token={TOKEN} -H 'Origin: {origin}' https://app.example.com/x"
    assert explain(curl)["reason"] == reason
    curl = f"curl -d x -b access_token={TOKEN} -H 'Origin: {origin}' -H 'Host: app.example.com' http://127.0.0.1:80/x"
    assert explain(curl)["reason"] == reason


@pytest.mark.parametrize("stdin", [f"{TOKEN} and more", "", b"curl 'http://a/", b"a" * 65 * 1024, b"\xff \xfe"])
def test_other_input_is_a_usage_error_that_shows_the_accepted_forms_and_not_the_input(stdin: str | bytes) -> None:
    ended = commands.authgate("explain", stdin=stdin)
    assert (ended.returncode, ended.stdout) == (2, "")
    for form in ("Authorization: Bearer", "Cookie:", "curl -H", "/api/v1/tasks", "--request FILE"):
        assert form in ended.stderr
    assert TOKEN not in ended.stderr
    assert max(map(len, ended.stderr.splitlines())) <= 80


@pytest.mark.parametrize(
    "arguments", [[TOKEN], ["Bearer", TOKEN], ["--json", "--", TOKEN], [f"--request={TOKEN}"], ["--at", TOKEN]]
)
def test_a_token_as_an_argument_is_refused_and_never_shown(arguments: list[str]) -> None:
    ended = commands.authgate("explain", *arguments, stdin=TOKEN)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert TOKEN not in ended.stderr
    assert re.search("--request|--at is|authgate explain < token.txt", ended.stderr)
    assert max(map(len, ended.stderr.splitlines())) <= 80


@pytest.mark.parametrize(
    "pasted", ["https://ada:canary@a/", "curl https://ada:canary/1@a/", "Host: ada:canary@a\nA: b"]
)
def test_a_password_in_a_url_is_never_shown(pasted: str) -> None:
    ended = commands.authgate("explain", stdin=pasted)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "canary" not in ended.stdout


def test_a_character_that_the_terminal_lacks_is_escaped() -> None:
    ended = commands.in_a_process("explain", environ=commands.ENVIRON | {"PYTHONIOENCODING": "latin-1"}, stdin="/")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert r"\u2713" in ended.stdout


def test_in_a_terminal_it_asks_for_the_input_and_wraps_the_answer() -> None:
    code, shown = commands.in_terminal("explain", "--at", NOW, typed=mint(claims(aud="tasks"), key=OTHER_SECRET))
    assert code == 1
    first, second, *rest = shown.splitlines()
    assert "Paste" in first
    assert "Ctrl-D" in first
    assert second.startswith("REFUSED  bad_signature: ")
    assert all(len(line) <= 80 for line in (first, second, *rest) if "sha256sum" not in line)


def test_a_line_that_the_terminal_would_cut_is_refused() -> None:
    code, shown = commands.in_terminal("explain", typed="a" * 5000)
    assert code == 2
    assert "authgate explain < file" in shown


# -- --request -------------------------------------------------------------------------------------------------------


def test_request_reads_a_request_as_the_client_sent_it(tmp_path: Path) -> None:
    request: dict[str, Any] = {
        "method": "POST",
        "url": "https://app.example.com/api?q=1",
        "headers": {"Cookie": f"access_token={TOKEN}"},
    }
    assert explain_request(tmp_path, request).returncode == 0
    request["headers"]["Origin"] = "https://evil.example"
    assert json.loads(explain_request(tmp_path, request).stdout)["reason"] == "csrf"


def test_request_takes_a_relative_url_and_the_host_from_its_headers(tmp_path: Path) -> None:
    headers = {"Cookie": f"access_token={TOKEN}", "Origin": "https://app.example.com"}
    request = {"method": "POST", "url": "/api/v1/tasks", "headers": headers}
    assert json.loads(explain_request(tmp_path, request).stdout)["reason"] == "csrf"
    assert explain_request(tmp_path, request | {"headers": headers | {"host": "app.example.com"}}).returncode == 0


def test_request_reads_a_request_as_the_proxy_sent_it(tmp_path: Path) -> None:
    pairs = [["X-Original-Method", "GET"], ["X-Original-URL", "http://a/"], ["Authorization", f"Bearer {TOKEN}"]]
    assert explain_request(tmp_path, {"adapter": "nginx", "headers": pairs}).returncode == 0
    ended = explain_request(tmp_path, {"adapter": "nginx", "headers": pairs[1:]})
    assert ended.returncode == 1
    explained = json.loads(ended.stdout)
    assert explained["reason"] == "unreadable_request"
    assert "X-Original-Method is missing" in explained["checks"][-1]["detail"]


def test_request_reads_standard_input_as_a_dash() -> None:
    request = {"method": "GET", "url": "/", "headers": {"Authorization": f"Bearer {TOKEN}"}}
    assert explain(json.dumps(request), "--request", "-")["outcome"] == "allow"


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        "[" * 100_000,
        json.dumps({"url": "http://a/"}),
        json.dumps({"adapter": "haproxy", "headers": {}}),
        json.dumps({"method": "GET", "url": "http://a/", "headers": 3}),
        " " * (1024 * 1024 + 1),
    ],
    ids=["a list", "half", "deep", "no method", "another adapter", "no headers", "too long"],
)
def test_request_says_what_is_wrong_with_its_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "request.json").write_text(content)
    ended = commands.authgate("explain", "--request", tmp_path / "request.json")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.search("^Error: .", ended.stderr, re.MULTILINE)
    assert "Traceback" not in ended.stderr


def test_at_must_be_a_finite_number() -> None:
    assert commands.authgate("explain", "--at", "inf", stdin=TOKEN).returncode == 2
