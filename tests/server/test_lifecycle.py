"""A real AuthGate process: start, stop, log lines, and what happens when it cannot start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from authgate.tokens.secrets import fingerprint
from tests.support import processes
from tests.support.client import ask, bearer
from tests.support.e2e import sound
from tests.support.tokens import OTHER_SECRET, SECRET, mint, public_jwk, public_pem
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "issuers: [{name: app, preset: jwt, secret_env: APP_SECRET, audiences: [tasks]}]\n"
ENVIRON = {"APP_SECRET": SECRET.decode()}
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def subrequest(port: int, *headers: str) -> int:
    return ask(
        port, "/auth/nginx", "X-Original-Method: GET", "X-Original-URL: http://a/some/path?token=query-canary", *headers
    ).status


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_makes_it_not_ready_drains_and_ends_with_0(tmp_path: Path, name: signal.Signals) -> None:
    with processes.authgate(tmp_path, CONFIG, environ=ENVIRON) as running:
        idle = socket.create_connection(("127.0.0.1", running.port))  # does not hold it up
        assert subrequest(running.port, bearer(mint(sound()))) == 200
        running.process.send_signal(name)
        assert running.process.wait(15) == 0
        idle.close()
    events = [line["event"] for line in lines(running.log)]
    assert events[-2:] == ["stopping: no longer ready, finishing requests in flight", "stopped"]


def test_the_start_up_log_says_what_each_issuer_accepts_and_shows_no_secret(tmp_path: Path) -> None:
    with processes.authgate(tmp_path, CONFIG, environ=ENVIRON) as running:
        assert subrequest(running.port) == 401
    text = running.log.read_text()
    assert "issuer app accepts HS256 JWTs with any iss and aud tasks under its secret with fingerprint" in text
    assert SECRET.decode() not in text


def test_a_refusal_is_one_line_with_the_correlation_ids_and_without_token_or_query(tmp_path: Path) -> None:
    token = mint(sound(sub="subject-canary", exp=2, iat=1))
    with processes.authgate(tmp_path, CONFIG, environ=ENVIRON) as running:
        headers = ("X-Request-Id: 4711-abc", f"traceparent: {TRACEPARENT}", "X-Forwarded-For: 203.0.113.9")
        assert subrequest(running.port, bearer(token), *headers) == 401
    (line,) = [line for line in lines(running.log) if line["event"] == "deny"]
    duration = line.pop("duration_ms")
    assert isinstance(duration, float)
    assert line.pop("time")
    assert line == {
        "level": "info",
        "event": "deny",
        "reason": "expired",
        "adapter": "nginx",
        "policy": "default",
        "issuer": "app",
        "peer": "127.0.0.1",
        "method": "GET",
        "host": "a",
        "path": "/some/path",
        "client_ip": "203.0.113.9",
        "request_id": "4711-abc",
        "traceparent": TRACEPARENT,
    }
    text = running.log.read_text()
    assert token.rsplit(".", 1)[1] not in text
    assert "canary" not in text


def test_correlation_ids_that_are_none_are_left_out(tmp_path: Path) -> None:
    with processes.authgate(tmp_path, CONFIG, environ=ENVIRON) as running:
        assert subrequest(running.port, 'X-Request-Id: a" b', "traceparent: nonsense") == 401
    (line,) = [line for line in lines(running.log) if line["event"] == "deny"]
    assert "request_id" not in line
    assert "traceparent" not in line


def test_allowed_requests_are_logged_on_request_only(tmp_path: Path) -> None:
    for setting, expected in (("false", 0), ("true", 1)):
        folder = tmp_path / setting
        folder.mkdir()
        with processes.authgate(folder, f"{CONFIG}log: {{allowed: {setting}}}\n", environ=ENVIRON) as running:
            assert subrequest(running.port, bearer(mint(sound()))) == 200
        assert len([line for line in lines(running.log) if line["event"] == "allow"]) == expected


def test_the_operators_mistake_is_logged_once_a_minute_for_a_peer(tmp_path: Path) -> None:
    with processes.authgate(tmp_path, f"{CONFIG}trusted_proxies: [192.0.2.1]\n", environ=ENVIRON) as running:
        for _ in range(20):
            assert subrequest(running.port, bearer(mint(sound()))) == 403
        metrics = ask(running.admin_port, "/metrics").body.decode()
    (line,) = [line for line in lines(running.log) if line["event"] == "deny"]
    assert (line["reason"], line["peer"], line["level"]) == ("untrusted_proxy", "127.0.0.1", "warning")
    assert line["fix"] == "if 127.0.0.1 is your reverse proxy, add it: trusted_proxies: [127.0.0.1]"
    assert 'outcome="deny",policy="",reason="untrusted_proxy"} 20.0' in metrics


def test_decisions_proofs_and_durations_are_counted(tmp_path: Path) -> None:
    with processes.authgate(tmp_path, CONFIG, environ=ENVIRON) as running:
        token = mint(sound())
        for _ in range(3):
            assert subrequest(running.port, bearer(token)) == 200
        assert subrequest(running.port) == 401
        metrics = ask(running.admin_port, "/metrics").body.decode().splitlines()
    assert 'authgate_decisions_total{adapter="nginx",outcome="allow",policy="default",reason=""} 3.0' in metrics
    assert (
        'authgate_decisions_total{adapter="nginx",outcome="deny",policy="default",reason="no_credential"} 1.0'
        in metrics
    )
    assert "authgate_proof_cache_hits_total 2.0" in metrics
    assert "authgate_proof_cache_stores_total 1.0" in metrics
    assert "authgate_proof_cache_entries 1.0" in metrics
    assert 'authgate_decision_duration_seconds_count{adapter="nginx"} 4.0' in metrics


@pytest.mark.parametrize("occupied", [["listen"], ["admin.listen"], ["admin.listen", "listen"]], ids=" and ".join)
def test_each_occupied_address_is_reported_with_its_setting_and_variable(tmp_path: Path, occupied: list[str]) -> None:
    variables = {"listen": "AUTHGATE_LISTEN", "admin.listen": "AUTHGATE_ADMIN__LISTEN"}
    addresses = {setting: f"127.0.0.1:{processes.free_port()}" for setting in variables}
    with ExitStack() as sockets:
        for setting in occupied:
            other = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
            addresses[setting] = f"127.0.0.1:{other.getsockname()[1]}"
        config = tmp_path / "c.yaml"
        config.write_text(f"listen: {addresses['listen']}\nadmin: {{listen: {addresses['admin.listen']}}}\n{CONFIG}")
        command = [sys.executable, "-m", "authgate", "serve", "--config", config]
        ended = subprocess.run(command, capture_output=True, env=ENVIRON, cwd=processes.ROOT, timeout=30, check=False)
    assert ended.returncode == 78
    message = ended.stderr.decode()
    for setting, variable in variables.items():
        is_occupied = setting in occupied
        assert (f"  {setting}: {addresses[setting]} is in use\n" in message) is is_occupied
        assert (f"`{setting}` ({variable})" in message) is is_occupied
    assert f" {len(occupied)} problem" in message


def test_an_address_that_cannot_be_bound_is_reported_with_its_setting_and_variable(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"listen: 192.0.2.1:4190\nadmin: {{listen: 127.0.0.1:0}}\n{CONFIG}")
    command = [sys.executable, "-m", "authgate", "serve", "--config", tmp_path / "c.yaml"]
    ended = subprocess.run(command, capture_output=True, env=ENVIRON, cwd=processes.ROOT, timeout=30, check=False)
    assert ended.returncode == 78
    assert "  listen: cannot listen at 192.0.2.1:4190: " in ended.stderr.decode()
    assert "`listen` (AUTHGATE_LISTEN)" in ended.stderr.decode()


def failures(running: processes.RunningAuthGate) -> int:
    """Return how many loads of the keys failed, one after the other."""
    return int(ask(running.admin_port, "/keys").json["issuers"]["app"]["failures_in_a_row"])


def wait_for(status: int, port: int, *headers: str) -> None:
    until(lambda: subrequest(port, *headers) == status, pause_seconds=0.1)


def test_a_new_key_id_is_looked_for_at_once_and_a_removed_key_verifies_no_more(tmp_path: Path) -> None:
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": [public_jwk("Ed25519", "old")]}))
    config = f"issuers: [{{name: app, preset: jwt, jwks_file: {keys}, audiences: [tasks]}}]\n"
    old = bearer(mint(sound(), algorithm="Ed25519", header={"kid": "old"}))
    new = bearer(mint(sound(), algorithm="ES256", header={"kid": "new"}))
    with processes.authgate(tmp_path, config) as running:
        assert subrequest(running.port, old) == 200
        replacement = tmp_path / "jwks.new"
        replacement.write_text(json.dumps({"keys": [public_jwk("ES256", "new")]}))
        replacement.rename(keys)
        assert subrequest(running.port, new) == 200
        assert subrequest(running.port, old) == 401, "remembered proof or not"


def test_a_changed_secret_file_is_taken_over_and_its_fingerprint_logged(tmp_path: Path) -> None:
    """As Kubernetes changes a mounted Secret: the file is a link through `..data`, which is swapped."""
    for version, secret in (("first", SECRET), ("second", OTHER_SECRET), ("third", b"too short")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "jwt_secret").write_bytes(secret + b"\n")
    (tmp_path / "..data").symlink_to("first")
    (tmp_path / "jwt_secret").symlink_to("..data/jwt_secret")

    def swap(version: str) -> None:
        (tmp_path / "..data_new").symlink_to(version)
        (tmp_path / "..data_new").rename(tmp_path / "..data")

    old, new = bearer(mint(sound())), bearer(mint(sound(), key=OTHER_SECRET))
    config = f"issuers: [{{name: app, preset: jwt, secret_file: {tmp_path / 'jwt_secret'}, audiences: [tasks]}}]\n"
    with processes.authgate(tmp_path, config) as running:
        assert (subrequest(running.port, old), subrequest(running.port, new)) == (200, 401)
        swap("second")
        wait_for(200, running.port, new)
        assert subrequest(running.port, old) == 401, "remembered proof or not"
        swap("third")
        until(lambda: failures(running) >= 2)
        assert subrequest(running.port, new) == 200, "an unfit secret changes nothing"
    events = [str(line["event"]) for line in lines(running.log)]
    assert f"issuer app: secret with fingerprint {fingerprint(OTHER_SECRET)} joined the set" in events
    assert f"issuer app: secret with fingerprint {fingerprint(SECRET)} left the set" in events
    assert any("the old keys stay in use" in event and "it is 9 bytes long" in event for event in events)


@pytest.mark.parametrize("write", ["in place", "renamed", "through a link"])
def test_a_key_file_is_watched_by_content(tmp_path: Path, write: str) -> None:
    """Nothing of a PEM key tells that it is another one: the file is looked at."""
    folder, keys = tmp_path / "first", tmp_path / "key.pem"
    folder.mkdir()
    (folder / "key.pem").write_bytes(public_pem("ES256"))
    keys.symlink_to(folder / "key.pem")
    config = f"issuers: [{{name: app, preset: jwt, pem_file: {keys}, audiences: [tasks]}}]\n"
    old = bearer(mint(sound(), algorithm="ES256"))
    new = bearer(mint(sound(), algorithm="Ed25519"))
    with processes.authgate(tmp_path, config) as running:
        assert (subrequest(running.port, old), subrequest(running.port, new)) == (200, 401)
        if write == "in place":
            (folder / "key.pem").write_bytes(public_pem("Ed25519"))
        else:
            other = tmp_path / "other.pem"
            other.write_bytes(public_pem("Ed25519"))
            target = keys if write == "renamed" else folder / "key.pem"
            other.rename(target)
        wait_for(200, running.port, new)
        assert subrequest(running.port, old) == 401, "remembered proof or not"
        (folder / "key.pem").write_text("-----BEGIN NONSENSE-----")
        keys.unlink()
        until(lambda: failures(running) >= 2)
        assert subrequest(running.port, new) == 200, "a lost file changes nothing"
    warnings = [line for line in lines(running.log) if "No such file" in str(line["event"])]
    assert len(warnings) == 1, "told once, not at every look"


def test_a_key_file_that_hangs_holds_up_neither_requests_nor_the_end(tmp_path: Path) -> None:
    keys = tmp_path / "key.pem"
    keys.write_bytes(public_pem("ES256"))
    config = f"issuers: [{{name: app, preset: jwt, pem_file: {keys}, audiences: [tasks]}}]\n"
    token = bearer(mint(sound(), algorithm="ES256"))
    with processes.authgate(tmp_path, config) as running:
        assert subrequest(running.port, token) == 200
        keys.unlink()
        os.mkfifo(keys)  # opening it waits for a writer, for ever
        time.sleep(2.5)
        assert subrequest(running.port, token) == 200
        running.process.terminate()
        assert running.process.wait(10) == 0
