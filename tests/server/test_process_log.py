"""What a real AuthGate process logs and counts about its decisions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support import processes
from tests.support.client import bearer
from tests.support.e2e import sound
from tests.support.serving_process import CONFIG, ENVIRON, log_lines, subrequest
from tests.support.tokens import SECRET, mint

if TYPE_CHECKING:
    from pathlib import Path

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_start_up_log_names_what_each_issuer_accepts_and_shows_no_secret(tmp_path: Path) -> None:
    with processes.authgate(tmp_path, CONFIG, environ=ENVIRON) as running:
        assert subrequest(running.port) == 401
    text = running.log.read_text()
    for part in ("issuer app accepts HS256 JWTs", "any iss", "aud tasks", "secret with fingerprint"):
        assert part in text
    assert SECRET.decode() not in text


def test_a_refusal_is_one_log_line_with_correlation_ids_and_without_token_or_query(tmp_path: Path) -> None:
    token = mint(sound(sub="subject-canary", exp=2, iat=1))
    with processes.authgate(tmp_path, CONFIG, environ=ENVIRON) as running:
        headers = ("X-Request-Id: 4711-abc", f"traceparent: {TRACEPARENT}", "X-Forwarded-For: 203.0.113.9")
        assert subrequest(running.port, bearer(token), *headers) == 401
    (line,) = [line for line in log_lines(running.log) if line["event"] == "deny"]
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
        "scheme": "http",
        "host": "a",
        "path": "/some/path",
        "client_ip": "203.0.113.9",
        "request_id": "4711-abc",
        "traceparent": TRACEPARENT,
    }
    text = running.log.read_text()
    assert token.rsplit(".", 1)[1] not in text
    assert "canary" not in text


def test_a_malformed_request_id_is_replaced_and_a_malformed_traceparent_left_out(tmp_path: Path) -> None:
    with processes.authgate(tmp_path, CONFIG, environ=ENVIRON) as running:
        assert subrequest(running.port, 'X-Request-Id: a" b', "traceparent: nonsense") == 401
    (line,) = [line for line in log_lines(running.log) if line["event"] == "deny"]
    assert re.fullmatch("[0-9a-f]{32}", line["request_id"])
    assert "traceparent" not in line


def test_allowed_requests_are_logged_only_if_configured(tmp_path: Path) -> None:
    for setting, expected in (("false", 0), ("true", 1)):
        folder = tmp_path / setting
        folder.mkdir()
        with processes.authgate(folder, f"{CONFIG}log: {{allowed: {setting}}}\n", environ=ENVIRON) as running:
            assert subrequest(running.port, bearer(mint(sound()))) == 200
        assert len([line for line in log_lines(running.log) if line["event"] == "allow"]) == expected


def test_an_untrusted_peer_is_logged_once_a_minute_with_the_fix(tmp_path: Path) -> None:
    with processes.authgate(tmp_path, f"{CONFIG}trusted_proxies: [192.0.2.1]\n", environ=ENVIRON) as running:
        for _ in range(20):
            assert subrequest(running.port, bearer(mint(sound()))) == 403
        metrics = running.page("/metrics").body.decode()
    (line,) = [line for line in log_lines(running.log) if line["event"] == "deny"]
    assert (line["reason"], line["peer"], line["level"]) == ("untrusted_proxy", "127.0.0.1", "warning")
    assert line["fix"] == "if 127.0.0.1 is your reverse proxy, add it: trusted_proxies: [127.0.0.1]"
    assert 'outcome="deny",policy="",reason="untrusted_proxy"} 20.0' in metrics


def test_decisions_proofs_and_durations_are_counted(tmp_path: Path) -> None:
    with processes.authgate(tmp_path, CONFIG, environ=ENVIRON) as running:
        token = mint(sound())
        for _ in range(3):
            assert subrequest(running.port, bearer(token)) == 200
        assert subrequest(running.port) == 401
        assert [subrequest(running.port, bearer("garbage")) for _ in range(3)] == [401] * 3
        metrics = running.page("/metrics").body.decode().splitlines()
    assert 'authgate_decisions_total{adapter="nginx",outcome="allow",policy="default",reason=""} 3.0' in metrics
    assert (
        'authgate_decisions_total{adapter="nginx",outcome="deny",policy="default",reason="no_credential"} 1.0'
        in metrics
    )
    assert 'authgate_cache_hits_total{issuer="app",kind="proofs"} 2.0' in metrics
    assert 'authgate_cache_stores_total{issuer="app",kind="proofs"} 1.0' in metrics
    assert 'authgate_cache_entries{issuer="app",kind="proofs"} 1.0' in metrics
    assert 'authgate_cache_hits_total{issuer="",kind="refusals"} 2.0' in metrics
    assert 'authgate_cache_stores_total{issuer="",kind="refusals"} 1.0' in metrics
    assert 'authgate_decision_duration_seconds_count{adapter="nginx"} 7.0' in metrics
