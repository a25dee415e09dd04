"""Key files of a real AuthGate process: a changed file is used, a bad or missing one changes nothing."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from authgate.tokens.secrets import fingerprint
from tests.support import processes
from tests.support.client import bearer
from tests.support.e2e import sound
from tests.support.serving_process import log_lines, subrequest
from tests.support.tokens import OTHER_SECRET, SECRET, mint, public_jwk, public_pem
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path


def failures(running: processes.RunningAuthGate) -> int:
    """Return how many loads of the keys failed since the last good one."""
    return int(running.page("/keys").json["issuers"]["app"]["failures_in_a_row"])


def until_status(status: int, port: int, *headers: str) -> None:
    until(lambda: subrequest(port, *headers) == status, pause_seconds=0.1)


def test_a_new_key_verifies_at_once_and_a_removed_key_no_longer(tmp_path: Path) -> None:
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
        assert subrequest(running.port, old) == 401, "a cached proof does not outlive its key"


def test_a_changed_secret_file_is_used_and_its_fingerprint_logged(tmp_path: Path) -> None:
    """Kubernetes changes a mounted Secret so: the file is a link through `..data`, which is replaced."""
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
        until_status(200, running.port, new)
        assert subrequest(running.port, old) == 401, "a cached proof does not outlive its key"
        swap("third")
        until(lambda: failures(running) >= 2)
        assert subrequest(running.port, new) == 200, "a weak secret changes nothing"
    events = [str(line["event"]) for line in log_lines(running.log)]
    for secret, change in ((OTHER_SECRET, "joined"), (SECRET, "left")):
        assert any(f"fingerprint {fingerprint(secret)} {change}" in event for event in events)
    assert any("the old keys stay in use" in event and "it is 9 bytes long" in event for event in events)


@pytest.mark.parametrize("write", ["in place", "renamed", "through a link"])
def test_a_key_file_with_new_content_is_used_and_a_bad_or_missing_one_is_not(tmp_path: Path, write: str) -> None:
    """A token does not name a PEM key, so only polling the file finds the new one."""
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
            new_file = tmp_path / "new.pem"
            new_file.write_bytes(public_pem("Ed25519"))
            target = keys if write == "renamed" else folder / "key.pem"
            new_file.rename(target)
        until_status(200, running.port, new)
        assert subrequest(running.port, old) == 401, "a cached proof does not outlive its key"
        (folder / "key.pem").write_text("-----BEGIN NONSENSE-----")
        keys.unlink()
        until(lambda: failures(running) >= 2)
        assert subrequest(running.port, new) == 200, "a missing file changes nothing"
    warnings = [line for line in log_lines(running.log) if "No such file" in str(line["event"])]
    assert len(warnings) == 1, "logged once, not at every poll"


def test_a_pipe_in_place_of_a_key_file_delays_neither_requests_nor_the_end(tmp_path: Path) -> None:
    keys = tmp_path / "key.pem"
    keys.write_bytes(public_pem("ES256"))
    config = f"issuers: [{{name: app, preset: jwt, pem_file: {keys}, audiences: [tasks]}}]\n"
    token = bearer(mint(sound(), algorithm="ES256"))
    with processes.authgate(tmp_path, config) as running:
        assert subrequest(running.port, token) == 200
        keys.unlink()
        os.mkfifo(keys)  # reading it would wait for a writer
        until(lambda: failures(running))
        assert subrequest(running.port, token) == 200
        running.process.terminate()
        assert running.process.wait(60) == 0
