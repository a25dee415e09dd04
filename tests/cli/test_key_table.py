"""The report of `authgate keys` as text: read it as a stranger would, after a page at night."""

from __future__ import annotations

import re
from typing import Any

import pytest

from authgate.cli._key_report import Report
from authgate.cli._key_table import report_lines


def as_text(report: dict[str, Any], max_columns: int | None = None) -> str:
    return "\n".join(report_lines(Report.model_validate(report), max_columns))


@pytest.fixture
def report() -> dict[str, Any]:
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
                | {"named_at": "2026-11-22T14:02:49Z", "proofs": 7, "last_proof": None}
            ],
            "skipped": ["key 'K3': the RSA key has 1024 bits"],
            "unknown_key_ids": [{"key_id": "K9", "count": 1, "last_at": "2026-11-22T14:02:20Z"}],
            "events": [{"at": "2026-11-22T14:02:10Z", "what": "key ES256 K1 left the set"}],
        }
    }
    return {"configuration": configuration, "issuers": issuers}


def test_times_stand_beside_their_distance_and_columns_are_aligned(report: dict[str, Any]) -> None:
    lines = """\
1 issuer at 2026-11-22 14:02:50 UTC: 1 ready
the configuration was loaded at 14:00:00 (3 min ago); a newer one cannot be used: listen: has changed

app  ready
  keys from         https://issuer.example/jwks
  last good load    14:02:10 (40 s ago), next try 14:07:05 (in 4 min)

  KEYS                                                      first seen                 last seen            tokens verified  last use
  ES256 K2                                                  14:02:10 (40 s ago)        14:02:10 (40 s ago)  0                -
  ES256 long-long-long-long-long-long-long-...ong-long-end  2026-11-20 09:00:00 (2 d ago)  14:02:10 (40 s ago)  12  12:30:00 (93 min ago)

  DEPARTED KEYS  left the set         first seen                     tokens since  last use
  ES256 K1   14:02:10 (40 s ago)  2026-11-20 09:00:00 (2 d ago)  3             14:02:49 (1 s ago)

  UNKNOWN KEY IDS  tokens  last use
  K9               1       14:02:20 (30 s ago)

  SKIPPED KEYS
  key 'K3': the RSA key has 1024 bits

  WHAT HAPPENED
  14:02:10 (40 s ago)  key ES256 K1 left the set""".splitlines()  # noqa: E501
    shown = as_text(report).splitlines()
    assert [re.sub(" {2,}", "  ", line) for line in shown] == [re.sub(" {2,}", "  ", line) for line in lines]
    header, first, second = shown[7:10]
    assert first.index("14:02:10 (40 s ago)") == header.index("first seen") == second.index("2026-11-20")
    assert not any(line != line.rstrip() for line in shown)


def test_a_table_that_is_too_wide_becomes_a_list(report: dict[str, Any]) -> None:
    text = as_text(report, max_columns=80)
    assert max(map(len, text.split("\n\n", 1)[1].splitlines())) <= 80
    assert (
        """
  KEYS
  ES256 K2
    first seen       14:02:10 (40 s ago)
    last seen        14:02:10 (40 s ago)
    tokens verified  0
    last use         -
  ES256 long-long-long-long-long-long-long-...ong-long-end
    first seen       2026-11-20 09:00:00 (2 d ago)
"""
        in text
    )
    assert "\n  UNKNOWN KEY IDS  tokens  last use\n" in text, "a table that fits stays a table"
    assert as_text(report, max_columns=200) == as_text(report)


@pytest.mark.parametrize("state", ["no keys", "given up", "stale", "ready", "not offered"])
def test_each_state_is_explained(report: dict[str, Any], state: str) -> None:
    report["issuers"]["app"]["state"] = state
    (line,) = [line for line in as_text(report).splitlines() if line.startswith("app  ")]
    assert (len(line) > len("app  ready")) is (state != "ready")


def test_issuers_in_trouble_come_first(report: dict[str, Any]) -> None:
    sound = report["issuers"].pop("app")
    states = {"a": "ready", "b": "stale", "c": "given up", "d": "no keys", "e": "not offered"}
    report["issuers"] = {name: sound | {"state": state} for name, state in states.items()}
    text = as_text(report)
    assert re.findall(r"^(\w)  ", text, re.MULTILINE) == ["d", "c", "b", "a", "e"]
    assert "5 issuers" in text
    assert ": 1 without keys, 1 given up, 1 stale, 1 ready, 1 not offered\n" in text
