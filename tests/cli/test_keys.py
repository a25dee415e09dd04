"""`authgate keys` and `authgate check --fetch`: an operator sees why a key stopped working, and is not played with."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from authgate.cli._key_table import as_text
from tests.support import processes
from tests.support.certificates import Authority
from tests.support.client import ask, bearer
from tests.support.issuer import Issuer, issuer
from tests.support.tokens import SECRET
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("app", "partner", "legacy")
LOCAL = "  - {name: local, preset: jwt, secret_env: APP_SECRET, issuer: local, audiences: [tasks]}\n"


def run(*arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "authgate", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "APP_SECRET": SECRET.decode(), **environ},
        cwd=processes.ROOT,
        timeout=60,
        check=False,
    )


def entry(at: Issuer, name: str, **settings: Any) -> str:
    more = "".join(f", {setting}: {value}" for setting, value in settings.items())
    return (
        f"  - {{name: {name}, preset: jwt, issuer: '{at.url}', jwks_url: '{at.jwks_url}', allow_http: true, "
        f"audiences: [tasks], cooldown_seconds: 1{more}}}\n"
    )


def status(running: processes.RunningAuthGate, token: str) -> int:
    question = ("X-Original-Method: GET", "X-Original-URL: http://a/")
    return ask(running.port, "/auth/nginx", *question, bearer(token)).status


def report(running: processes.RunningAuthGate) -> dict[str, Any]:
    found: dict[str, Any] = ask(running.admin_port, "/keys").json["issuers"]
    return found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[processes.RunningAuthGate, dict[str, Issuer]]]:
    """Three issuers: one rotated without overlap and publishes a bad key, one answers 500, one is gone for too long."""
    folder = tmp_path_factory.mktemp("scene")
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(issuer(folder)) for name in NAMES}
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
    """Return what *text* tells of the issuer."""
    return next(f"{found}\n" for found in re.split(r"\n\n(?=\S)", text) if found.startswith(f"{name}  "))


def test_those_in_trouble_come_first(scene: Any) -> None:
    text = shown(scene)
    first, *rest = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert re.fullmatch(r"3 issuers at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: 1 given up, 1 stale, 1 ready", first)
    assert rest == [
        "legacy  GIVEN UP: its keys are too old, its tokens cannot be verified (503)",
        "partner  STALE: the keys still verify, but newer ones cannot be loaded",
        "app  ready",
    ]


def test_it_says_why_a_key_stopped_working(scene: Any) -> None:
    text = part(shown(scene), "app")
    assert re.search(r"\n  KEYS +first seen +last seen +tokens verified +last one\n  ES256 K2 +\d", text)
    assert re.search(
        r"\n  DEPARTED KEYS +left the set +in it since +tokens since +last one\n  ES256 K1 .* 3 +\d\d:", text
    )
    assert re.search(r"\n  \d\d:\d\d:\d\d \((now|\d+ s ago)\)  key ES256 K1 left the set\n", text)
    assert "tokens that name key ES256 K1 still arrive" in text
    assert re.search(r"\n  SKIPPED KEYS\n  key .K3", text)


def test_the_log_says_the_same(scene: Any) -> None:
    lines = [json.loads(line) for line in scene[0].log.read_text().splitlines()]
    told = {line["event"]: line["level"] for line in lines}
    assert told["issuer app: key ES256 K1 left the set"] == "info"
    assert told["issuer app: key ES256 K2 joined the set"] == "info"
    assert told["issuer legacy: the keys are given up: no good answer for 2 s"] == "error"
    warned = [event for event, level in told.items() if level == "warning"]
    assert [event for event in warned if "tokens that name key ES256 K1 still arrive" in event]
    assert [event for event in warned if event.startswith("issuer app: skipped key 'K3")]
    assert [event for event in warned if event.startswith("issuer partner: keys cannot be loaded, the old ones stay: ")]


def test_it_says_why_an_issuer_is_stale_or_given_up(scene: Any) -> None:
    text = shown(scene)
    assert re.search(r"\n  failed +(once|\d+ times in a row): http://\S+ answers 500\n", part(text, "partner"))
    assert re.search(r"\n  given up +.* \(in 24 h\), unless a good answer comes\n", part(text, "partner"))
    legacy = part(text, "legacy")
    assert "no connection to 127.0.0.1" in legacy
    assert "\n  KEYS GIVEN UP  " in legacy
    assert "the keys are given up: no good answer for 2 s" in legacy


def test_key_ids_do_not_play_with_the_terminal(scene: Any) -> None:
    text = shown(scene)
    assert all(character == "\n" or (character.isascii() and character.isprintable()) for character in text)
    assert "  K4\\x1b[2J\\n  app  ready" in text
    assert text.count("\napp  ready") == 1, "no line is forged"
    assert all(line.isascii() for line in scene[0].log.read_text().splitlines())


def test_json_is_what_the_admin_port_tells(scene: Any) -> None:
    found = json.loads(shown(scene, "--json"))["issuers"]
    there = report(scene[0])
    assert found.keys() == there.keys()
    assert {name: one.keys() for name, one in found.items()} == {name: one.keys() for name, one in there.items()}
    assert found["app"]["departed"] == there["app"]["departed"]


def test_one_issuer_can_be_asked_for(scene: Any) -> None:
    assert {*json.loads(shown(scene, "--json", "--issuer", "partner"))["issuers"]} == {"partner"}
    assert "app" not in shown(scene, "--issuer", "partner")
    ended = run("keys", "--config", scene[0].config, "--issuer", "nobody")
    assert ended.returncode == 2
    assert "there is no issuer 'nobody'; there are app, partner, legacy" in ended.stderr


def test_check_fetches_every_key_on_request_and_says_what_cannot_be_had(scene: Any) -> None:
    ended = run("check", "--fetch", "--config", scene[0].config, HTTPS_PROXY="http://u:proxy-canary@p:1")
    assert ended.returncode == 1
    assert "\n# issuer app: 1 key from http://" in ended.stdout
    assert "\n#   ES256 K2\n#   skipped: key 'K3" in ended.stdout
    assert re.search(r"\n# issuer partner: its keys cannot be loaded: http://\S+ answers 500\n", ended.stdout)
    assert "\n# issuer legacy: its keys cannot be loaded: http://" in ended.stdout
    assert ended.stderr.count("warning: ") == 1
    assert "HTTPS_PROXY is not used: the keys of app, partner, legacy are fetched directly" in ended.stderr
    assert "canary" not in ended.stdout + ended.stderr
    assert (ended.stdout + ended.stderr).replace("\n", "").isprintable()


# -- other ways to be reached ---------------------------------------------------------------------------------------


def test_check_with_fetch_is_content_where_every_key_can_be_had_and_without_it_stays_offline(tmp_path: Path) -> None:
    with issuer(tmp_path) as one:
        config = tmp_path / "c.yaml"
        config.write_text(f"issuers:\n{entry(one, 'app')}{LOCAL}")
        ended = run("check", "--fetch", "--config", config)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert len(one.requests()) == 1
        assert "\n# issuer local: 1 key from " in ended.stdout
        assert SECRET.decode() not in ended.stdout
        one.forget()
        assert run("check", "--config", config).returncode == 0
        assert one.connections() == 0


def test_check_hides_the_proxys_password(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(
        "issuers: [{name: a, preset: jwt, jwks_url: 'https://issuer.invalid/jwks', audiences: any, "
        "outbound_proxy: 'http://u:proxy-canary@127.0.0.1:1'}]\n"
    )
    ended = run("check", "--fetch", "--config", config)
    assert ended.returncode == 1
    assert "outbound_proxy: (hidden)\n" in ended.stdout
    assert "no connection to the outbound proxy" in ended.stdout
    assert "canary" not in ended.stdout + ended.stderr


def test_it_works_over_a_unix_socket_and_over_tls(tmp_path: Path) -> None:
    pair = Authority().server().write(tmp_path / "tls")
    for environ in (
        {"AUTHGATE_ADMIN__LISTEN": f"unix:{tmp_path / 'admin.sock'}"},
        {f"AUTHGATE_ADMIN__TLS__{n}_FILE": f"{pair}/tls.{s}" for n, s in (("CERTIFICATE", "crt"), ("KEY", "key"))},
    ):
        secret = {"APP_SECRET": SECRET.decode()}
        with processes.authgate(tmp_path, f"issuers:\n{LOCAL}", environ=environ | secret) as running:
            ended = run("keys", "--config", running.config, **environ)
            assert (ended.returncode, ended.stderr) == (0, "")
            assert "\n\nlocal  ready\n" in ended.stdout
        ended = run("keys", "--config", running.config, **environ)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "does not answer" in ended.stderr


def test_something_else_at_the_address_is_told(tmp_path: Path) -> None:
    with processes.echo(tmp_path) as port:
        config = tmp_path / "c.yaml"
        config.write_text(f"admin: {{listen: 127.0.0.1:{port}}}\nissuers:\n{LOCAL}")
        ended = run("keys", "--config", config)
    assert ended.returncode == 1
    assert ended.stderr == f"what answers at 127.0.0.1:{port} (200) is no AuthGate of this version\n"


def test_without_a_sound_admin_address_nobody_can_be_asked(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("admin: {listen: nowhere}\n")
    ended = run("keys", "--config", tmp_path / "c.yaml")
    assert ended.returncode == 78
    assert "admin.listen: must be host:port" in ended.stderr


def test_a_running_authgate_is_asked_though_its_file_is_broken(tmp_path: Path) -> None:
    """It serves on with the old configuration: that is when somebody wants to know."""
    sound = f"issuers: [{{name: app, preset: jwt, secret: {SECRET.decode()}, audiences: [tasks]}}]\n"
    with processes.authgate(tmp_path, sound) as running:
        running.config.write_text(running.config.read_text() + "leeway_secods: 5\n")
        until(lambda: "leeway_secods" in run("keys", "--config", running.config).stdout)
        ended = run("keys", "--config", running.config)
        assert ended.returncode == 0
        assert ended.stderr.startswith("warning: the configuration has 1 problem (authgate check names them)")
        assert "; a newer one cannot be used: leeway_secods: is not a setting" in ended.stdout
        assert run("healthcheck", "--config", running.config).returncode == 0


@pytest.mark.parametrize("command", ["mint", "explain"])
def test_an_issuer_by_url_is_no_trouble_to_other_commands(tmp_path: Path, command: str) -> None:
    with issuer(tmp_path) as one:
        config = tmp_path / "c.yaml"
        config.write_text(f"issuers:\n{entry(one, 'app')}{LOCAL}")
        if command == "mint":
            ended = run("mint", "--sub", "u1", "--config", config)
        else:
            request = tmp_path / "request.json"
            headers = {"Authorization": f"Bearer {one.token()}"}
            request.write_text(json.dumps({"method": "GET", "url": "http://a/", "headers": headers}))
            ended = run("explain", "--config", config, "--request", request)
    assert (ended.returncode, ended.stderr) == (0, "")


# -- the layout -----------------------------------------------------------------------------------------------------


def test_the_layout() -> None:
    """Read it as a stranger would, after a page at night."""
    key = {"algorithm": "ES256", "first_seen": "2026-11-20T09:00:00Z", "last_seen": "2026-11-22T14:02:10Z"}
    configuration = {"loaded_at": "2026-11-22T14:00:00Z", "reload_failed": "listen: has changed"}
    issuers = {
        "app": {
            "state": "ready",
            "loading": False,
            "source": "https://issuer.example/jwks",
            "now": "2026-11-22T14:02:50Z",
            "last_success": "2026-11-22T14:02:10Z",
            "age_seconds": 40.0,
            "last_error": None,
            "failures_in_a_row": 0,
            "next_refresh": "2026-11-22T14:07:05Z",
            "given_up_at": "2026-11-23T14:02:10Z",
            "keys": [
                key
                | {"key_id": "K2", "named": "ES256 K2", "first_seen": "2026-11-22T14:02:10Z", "proofs": 0}
                | {"last_proof": None},
                key | {"named": "ES256 " + "long-" * 30 + "end", "proofs": 12, "last_proof": "2026-11-22T12:30:00Z"},
            ],
            "departed": [
                key
                | {"key_id": "K1", "named": "ES256 K1", "left_at": "2026-11-22T14:02:10Z", "named_since": 3}
                | {"named_at": "2026-11-22T14:02:49Z"}
            ],
            "skipped": ["key 'K3': the RSA key has 1024 bits"],
            "unknown_key_ids": [{"key_id": "K9", "count": 1, "last_at": "2026-11-22T14:02:20Z"}],
            "events": [{"at": "2026-11-22T14:02:10Z", "what": "key ES256 K1 left the set"}],
        }
    }
    lines = """\
1 issuer at 2026-11-22 14:02:50 UTC: 1 ready
the configuration is of 14:00:00 (3 min ago); a newer one cannot be used: listen: has changed

app  ready
  keys from         https://issuer.example/jwks
  last good answer  14:02:10 (40 s ago), next try 14:07:05 (in 4 min)

  KEYS                                                      first seen                 last seen            tokens verified  last one
  ES256 K2                                                  14:02:10 (40 s ago)        14:02:10 (40 s ago)  0                -
  ES256 long-long-long-long-long-long-long-...ong-long-end  2026-11-20 09:00:00 (2 d ago)  14:02:10 (40 s ago)  12  12:30:00 (93 min ago)

  DEPARTED KEYS  left the set         in it since                    tokens since  last one
  ES256 K1   14:02:10 (40 s ago)  2026-11-20 09:00:00 (2 d ago)  3             14:02:49 (1 s ago)

  UNKNOWN KEY IDS  tokens  last one
  K9               1       14:02:20 (30 s ago)

  SKIPPED KEYS
  key 'K3': the RSA key has 1024 bits

  WHAT HAPPENED
  14:02:10 (40 s ago)  key ES256 K1 left the set""".splitlines()  # noqa: E501
    found = as_text({"configuration": configuration, "issuers": issuers}).splitlines()
    assert [re.sub(" {2,}", "  ", line) for line in found] == [re.sub(" {2,}", "  ", line) for line in lines]
    header, first, second = found[7:10]
    assert first.index("14:02:10 (40 s ago)") == header.index("first seen") == second.index("2026-11-20")
    assert not any(line != line.rstrip() for line in found)
