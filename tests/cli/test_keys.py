"""`authgate keys`: an operator sees why a key stopped working, and nothing that a key id holds alters the terminal."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import commands, processes
from tests.support.certificates import Authority
from tests.support.client import ask, bearer
from tests.support.issuer import Issuer, running_issuer
from tests.support.tokens import SECRET
from tests.support.waiting import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("app", "partner", "legacy")
LOCAL = "  - {name: local, preset: jwt, secret_env: APP_SECRET, issuer: local, audiences: [tasks]}\n"


def run(*arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    return commands.authgate(*arguments, environ={"APP_SECRET": SECRET.decode(), **environ})


def entry(at: Issuer, name: str, **settings: Any) -> str:
    more = "".join(f", {setting}: {value}" for setting, value in settings.items())
    return (
        f"  - {{name: {name}, preset: jwt, issuer: '{at.url}', jwks_url: '{at.jwks_url}', allow_http: true, "
        f"audiences: [tasks], subject_prefix: '{name}:', cooldown_seconds: 1{more}}}\n"
    )


def status(running: processes.RunningAuthGate, token: str) -> int:
    question = ("X-Original-Method: GET", "X-Original-URL: http://a/")
    return ask(running.port, "/auth/nginx", *question, bearer(token)).status


def report(running: processes.RunningAuthGate) -> dict[str, Any]:
    issuers: dict[str, Any] = running.page("/keys").json["issuers"]
    return issuers


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[processes.RunningAuthGate, dict[str, Issuer]]]:
    """Three issuers: one rotated without overlap and publishes a bad key, one answers 500, one is gone for too long."""
    folder = tmp_path_factory.mktemp("scene")
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(running_issuer(folder)) for name in NAMES}
        app, partner, legacy = issuers.values()
        config = entry(app, "app", refresh_seconds=60) + entry(partner, "partner", refresh_seconds=1)
        config += entry(legacy, "legacy", refresh_seconds=1, max_stale_seconds=2)
        running = stack.enter_context(processes.authgate(folder, f"issuers:\n{config}"))
        until(lambda: all(one["state"] == "ready" for one in report(running).values()))
        old = app.token()
        assert [status(running, one.token()) for one in issuers.values()] == [200] * 3

        app.add("K2")
        app.add("K4\x1b[2J\n  app  ready")
        app.current = "K2"
        bad = {"kty": "RSA", "kid": "K3\x1b[31m\u202e", "n": "AQAB", "e": "AQAB", "alg": "RS256"}
        app.document({"keys": [app.keys["K2"].jwk, bad]})
        partner.answer("status", code=500)
        legacy.close()
        until(lambda: status(running, app.token()) == 200)
        assert [status(running, old) for _ in range(3)] == [401] * 3
        assert status(running, app.token(key="K4\x1b[2J\n  app  ready")) == 401
        until(lambda: report(running)["legacy"]["state"] == "given up")
        until(lambda: report(running)["partner"]["state"] == "stale")
        assert status(running, legacy.token()) == 503
        yield running, issuers


def shown(scene: tuple[processes.RunningAuthGate, Any], *arguments: str) -> str:
    ended = run("keys", "--config", scene[0].config, *arguments)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def part(text: str, name: str) -> str:
    """Return the part of *text* about one issuer."""
    return next(f"{section}\n" for section in re.split(r"\n\n(?=\S)", text) if section.startswith(f"{name}  "))


def test_issuers_in_trouble_come_first(scene: Any) -> None:
    text = shown(scene)
    first, *rest = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert re.fullmatch(r"3 issuers at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: 1 given up, 1 stale, 1 ready", first)
    assert rest == [
        "legacy  GIVEN UP: its keys are too old, so its tokens cannot be verified (503)",
        "partner  STALE: the keys still verify tokens, but newer keys cannot be loaded",
        "app  ready",
    ]


def test_keys_says_why_a_key_stopped_working(scene: Any) -> None:
    text = part(shown(scene), "app")
    assert re.search(r"\n  KEYS +first seen +last seen +tokens verified +last use\n  ES256 K2 +\d", text)
    assert re.search(
        r"\n  DEPARTED KEYS +left the set +first seen  +tokens since +last use\n  ES256 K1 .* 3 +\d\d:", text
    )
    assert re.search(r"\n  \d\d:\d\d:\d\d \((now|\d+ s ago)\)  key ES256 K1 left the set\n", text)
    assert "tokens that name key ES256 K1 still arrive" in text
    assert re.search(r"\n  SKIPPED KEYS\n  key .K3", text)


def test_the_log_reports_the_same_events(scene: Any) -> None:
    lines = [json.loads(line) for line in scene[0].log.read_text().splitlines()]
    levels = {line["event"]: line["level"] for line in lines}
    assert levels["issuer app: key ES256 K1 left the set"] == "info"
    assert levels["issuer app: key ES256 K2 joined the set"] == "info"
    assert levels["issuer legacy: the keys are given up: no successful load for 2 s"] == "error"
    warned = [event for event, level in levels.items() if level == "warning"]
    assert [event for event in warned if "tokens that name key ES256 K1 still arrive" in event]
    assert [event for event in warned if event.startswith("issuer app: skipped key 'K3")]
    assert [
        event
        for event in warned
        if event.startswith("issuer partner: keys cannot be loaded, the old keys stay in use: ")
    ]


def test_keys_says_why_an_issuer_is_stale_or_given_up(scene: Any) -> None:
    text = shown(scene)
    assert re.search(r"\n  failed +(once|\d+ times in a row): http://\S+ answers 500\n", part(text, "partner"))
    assert re.search(r"\n  given up +.* \(in 24 h\), unless a load succeeds\n", part(text, "partner"))
    legacy = part(text, "legacy")
    assert "no connection to 127.0.0.1" in legacy
    assert "\n  KEYS GIVEN UP  " in legacy
    assert "the keys are given up: no successful load for 2 s" in legacy


def test_key_ids_cannot_alter_the_terminal(scene: Any) -> None:
    text = shown(scene)
    assert all(character == "\n" or (character.isascii() and character.isprintable()) for character in text)
    assert "  K4\\x1b[2J\\n  app  ready" in text
    assert text.count("\napp  ready") == 1, "no line is forged"
    assert all(line.isascii() for line in scene[0].log.read_text().splitlines())


def test_json_is_the_report_of_the_admin_port(scene: Any) -> None:
    printed = json.loads(shown(scene, "--json"))["issuers"]
    served = report(scene[0])
    assert printed.keys() == served.keys()
    assert {name: entry.keys() for name, entry in printed.items()} == {
        name: entry.keys() for name, entry in served.items()
    }
    assert printed["app"]["departed"] == served["app"]["departed"]


def test_one_issuer_can_be_selected(scene: Any) -> None:
    assert {*json.loads(shown(scene, "--json", "--issuer", "partner"))["issuers"]} == {"partner"}
    assert "app" not in shown(scene, "--issuer", "partner")
    ended = run("keys", "--config", scene[0].config, "--issuer", "nobody")
    assert ended.returncode == 2
    assert "there is no issuer 'nobody'; there are app, partner, legacy" in ended.stderr


# -- other ways to reach the admin port ------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["a unix socket", "TLS"])
def test_keys_works_over(tmp_path: Path, way: str) -> None:
    if way == "TLS":
        pair = Authority().server().write(tmp_path / "tls")
        files = {"CERTIFICATE_FILE": f"{pair}/tls.crt", "KEY_FILE": f"{pair}/tls.key"}
        environ = {f"AUTHGATE_ADMIN__TLS__{name}": path for name, path in files.items()}
    else:
        environ = {"AUTHGATE_ADMIN__LISTEN": f"unix:{tmp_path / 'admin.sock'}"}
    secret = {"APP_SECRET": SECRET.decode()}
    with processes.authgate(tmp_path, f"issuers:\n{LOCAL}", environ=environ | secret) as running:
        ended = run("keys", "--config", running.config, **environ)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "\n\nlocal  ready\n" in ended.stdout
    ended = run("keys", "--config", running.config, **environ)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "does not answer" in ended.stderr


def test_another_server_at_the_address_is_reported(tmp_path: Path) -> None:
    with processes.echo(tmp_path) as port:
        config = tmp_path / "c.yaml"
        config.write_text(f"admin: {{listen: 127.0.0.1:{port}}}\nissuers:\n{LOCAL}")
        ended = run("keys", "--config", config)
    assert ended.returncode == 1
    assert f"the server at 127.0.0.1:{port} is not an AuthGate" in ended.stderr
    assert "200" in ended.stderr


def test_a_running_authgate_is_asked_while_its_file_is_broken(tmp_path: Path) -> None:
    sound = f"issuers: [{{name: app, preset: jwt, secret: {SECRET.decode()}, audiences: [tasks]}}]\n"
    with processes.authgate(tmp_path, sound) as running:
        running.config.write_text(running.config.read_text() + "leeway_secods: 5\n")
        until(lambda: "leeway_secods" in run("keys", "--config", running.config).stdout)
        ended = run("keys", "--config", running.config)
        assert ended.returncode == 0
        assert ended.stderr.startswith("warning: the configuration has 1 problem (authgate check lists them)")
        assert "; a newer one cannot be used: leeway_secods: is not a setting" in ended.stdout
        assert run("healthcheck", "--config", running.config).returncode == 0


def test_in_a_terminal_of_80_columns_no_line_is_longer(scene: Any) -> None:
    code, text = commands.in_terminal("keys", "--config", scene[0].config)
    assert code == 0
    assert max(map(len, text.splitlines())) <= 80
    assert "\n  KEYS\n  ES256 K2\n    first seen " in text
