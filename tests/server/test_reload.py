"""A new configuration is taken over whole or not at all, and what an operator is told of it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from authgate.config.load import load
from authgate.server import reload
from authgate.wiring import build, prepare
from tests.support.issuer import Issuer, by_url, issuer
from tests.support.serving import BY_DISCOVERY, ENVIRON, Served, bearer_line, exchange, fresh, head, serving
from tests.support.tokens import OTHER_SECRET, SECRET
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

LOCAL = {"name": "local", "preset": "jwt", "secret_env": "JWT_SECRET", "issuer": "https://local.example"} | {
    "audiences": ["tasks"]
}
POLL_SECONDS = 0.05


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Issuer, Issuer]]:
    folder = tmp_path_factory.mktemp("issuers")
    with issuer(folder) as one, issuer(folder) as other:
        yield one, other


@pytest.fixture
def one(started: tuple[Issuer, Issuer]) -> Iterator[Issuer]:
    yield from sound(started[0])


@pytest.fixture
def other(started: tuple[Issuer, Issuer]) -> Iterator[Issuer]:
    yield from sound(started[1])


def sound(running: Issuer) -> Iterator[Issuer]:
    running.forget()
    yield running
    running.answer("ok")
    running.current = "K1"
    running.publish("K1")
    running.reopen()


def local(**changes: Any) -> str:
    return fresh(**({"iss": "https://local.example", "aud": "tasks"} | changes))


@dataclass
class Bench:
    """A server in this process, and its configuration's file."""

    file: Path
    served: Served

    def write(self, *issuers: dict[str, Any], **settings: Any) -> None:
        self.file.write_text(text(*issuers, **settings))

    async def reload(self) -> str:
        """Reload as SIGHUP does, and return why that failed, "" if it did not."""
        before = self.reloads()
        self.served.reloader.request()
        await until_async(lambda: self.reloads() > before)
        return self.served.app.reloads.failure

    async def looked(self, times: int = 4) -> None:
        """Wait until the file was looked at so many *times* more, and whatever the last but one led to is done."""
        reads, digest = 0, self.served.reloader._digest

        def counted() -> bytes:
            nonlocal reads
            reads += 1
            return digest()

        self.served.reloader._digests = reload.BlockingCall(counted)
        await until_async(lambda: reads >= times)

    def watches_what_is_used(self) -> bool:
        return self.served.reloader._tasks.keys() == {*self.served.app.live.watched_keys.values()}

    def reloads(self) -> int:
        return sum(self.served.app.reloads.outcomes.values())

    async def status(self, token: str, **request: Any) -> int:
        return (await self.served.ask("nginx", bearer_line(token), **request)).status

    async def admin(self, path: str) -> bytes:
        return (await exchange(self.served.admin, head(path, [("Host", "localhost")]))).body

    async def told(self) -> tuple[str | None, bool]:
        """Return what /readyz and the metrics say of the last reload: why it failed, and whether it succeeded."""
        why = json.loads(await self.admin("/readyz"))["configuration"]["reload_failed"]
        return why, b"\nauthgate_config_last_reload_successful 1.0\n" in await self.admin("/metrics")


def text(*issuers: dict[str, Any], **settings: Any) -> str:
    return yaml.safe_dump({"issuers": list(issuers) or [LOCAL], **settings}, sort_keys=False)


@asynccontextmanager
async def bench(
    folder: Path, *issuers: dict[str, Any], retry_seconds: float = reload.RETRY_SECONDS, **settings: Any
) -> AsyncIterator[Bench]:
    file = folder / "authgate.yaml"
    if not file.exists():
        file.write_text(text(*issuers, **settings))
    async with serving(ENVIRON, file=str(file), poll_seconds=POLL_SECONDS, retry_seconds=retry_seconds) as served:
        await asyncio.gather(*(keys.first_attempt.wait() for keys in served.app.live.watched_keys.values()))
        yield Bench(file, served)


# -- what changes ---------------------------------------------------------------------------------------------------

EVIL = ("Origin", "https://evil.example")
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], int, int]] = {
    # settings, what is asked, the status before and after
    "audiences": ({"issuers": [LOCAL | {"audiences": ["other"]}]}, {}, 200, 401),
    "issuer": ({"issuers": [LOCAL | {"issuer": "https://moved.example"}]}, {}, 200, 401),
    "algorithms": ({"issuers": [LOCAL | {"algorithms": ["HS512"]}]}, {}, 200, 401),
    "required_claims": ({"issuers": [LOCAL | {"required_claims": ["nonce"]}]}, {}, 200, 401),
    "key": ({"issuers": [LOCAL | {"secret_env": "OTHER"}]}, {}, 200, 401),
    "leeway_seconds": ({"leeway_seconds": 0}, {"exp": -20}, 200, 401),
    "credentials": ({"credentials": [{"cookie": "session"}]}, {}, 200, 401),
    "another cookie": ({"credentials": [{"cookie": "session"}]}, {"cookie": "session"}, 401, 200),
    "csrf": ({"csrf": {"mode": "off"}}, {"cookie": "access_token", "method": "POST", "origin": True}, 403, 200),
    "csrf.allowed_origins": (
        {"csrf": {"allowed_origins": ["https://evil.example"]}},
        {"cookie": "access_token", "method": "POST", "origin": True},
        403,
        200,
    ),
    "trusted_proxies": ({"trusted_proxies": ["192.0.2.1"]}, {}, 200, 403),
}


@pytest.mark.parametrize("setting", CHANGES)
async def test_a_changed_setting_takes_effect_and_back_again(
    tmp_path: Path, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proof that was remembered before does not survive (J22)."""
    monkeypatch.setitem(ENVIRON, "OTHER", OTHER_SECRET.decode())
    changed, asked, before, after = CHANGES[setting]
    now = int(time.time())
    token = local(exp=now + asked.get("exp", 900))
    lines = [("Cookie", f"{asked['cookie']}={token}")] if "cookie" in asked else [bearer_line(token)]
    if "origin" in asked:
        lines.append(EVIL)

    async def status() -> int:
        return (await one.served.ask("nginx", *lines, method=asked.get("method", "GET"))).status

    async with bench(tmp_path) as one:
        assert [await status() for _ in range(2)] == [before] * 2
        one.write(*changed.get("issuers", ()), **{name: v for name, v in changed.items() if name != "issuers"})
        assert await one.reload() == ""
        assert [await status() for _ in range(2)] == [after] * 2
        one.write()
        assert await one.reload() == ""
        assert await status() == before


async def test_other_headers_are_emitted_after_a_reload(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        one.write(headers={"X-Subject": "subject"})
        assert await one.reload() == ""
        answer = await one.served.ask("nginx", bearer_line(local()))
        assert answer.all("X-Subject") == ["user-1"]
        assert answer.all("X-User-Id") == []


async def test_allowed_requests_are_logged_after_a_reload(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with bench(tmp_path) as one:
        assert await one.status(local()) == 200
        assert "allow" not in caplog.messages
        one.write(log={"allowed": True})
        assert await one.reload() == ""
        assert await one.status(local()) == 200
        assert "allow" in caplog.messages


async def test_an_issuer_is_added_and_removed_and_its_key_task_ends(tmp_path: Path, one: Issuer) -> None:
    async with bench(tmp_path) as running:
        before = len(asyncio.all_tasks())
        for _ in range(3):
            running.write(LOCAL, by_url("app", one))
            assert await running.reload() == ""
            assert await running.status(one.token()) == 200
            running.write(LOCAL)
            assert await running.reload() == ""
            assert await running.status(one.token()) == 401
            await until_async(running.watches_what_is_used)
        assert await running.status(local()) == 200
        await until_async(lambda: len(asyncio.all_tasks()) == before)


# -- keys -----------------------------------------------------------------------------------------------------------


async def test_an_unchanged_issuer_keeps_keys_history_and_counts_and_does_not_fetch(
    tmp_path: Path, one: Issuer
) -> None:
    async with bench(tmp_path, by_url("app", one), LOCAL) as running:
        assert await running.status(one.token()) == 200
        watched = running.served.app.live.watched_keys["app"]
        report = json.loads(await running.admin("/keys"))["issuers"]["app"]
        for leeway in range(10):
            running.write(by_url("app", one, audiences=["tasks", f"tasks-{leeway}"]), LOCAL, leeway_seconds=leeway)
            assert await running.reload() == ""
        assert running.served.app.live.watched_keys["app"] is watched
        again = json.loads(await running.admin("/keys"))["issuers"]["app"]
        assert [again[name] for name in ("keys", "events")] == [report[name] for name in ("keys", "events")]
        assert len(one.requests(one.jwks_path)) == 1
        one.rotate("K2", overlap=False)
        assert await running.status(one.token()) == 200, "the reloaded gate follows the kept keys"
        assert await running.status(one.token(key="K1")) == 401


async def test_only_the_issuer_that_changed_is_fetched_anew(tmp_path: Path, one: Issuer, other: Issuer) -> None:
    async with bench(tmp_path, by_url("app", one), by_url("other", other)) as running:
        running.write(by_url("app", one), by_url("other", other, algorithms=["ES256"]))
        assert await running.reload() == ""
        assert (len(one.requests()), len(other.requests())) == (1, 2)


async def test_times_change_without_a_fetch_and_in_an_outage_too(tmp_path: Path, one: Issuer) -> None:
    """To let keys live longer is what an operator wants while the issuer is down."""
    async with bench(tmp_path, by_url("app", one)) as running:
        keys = running.served.app.live.watched_keys["app"]
        one.close()
        running.write(by_url("app", one, refresh_seconds=60, max_stale_seconds=172800))
        assert await running.reload() == ""
        assert running.served.app.live.watched_keys["app"] is keys
        assert (keys.timing.refresh_seconds, keys.timing.max_stale_seconds) == (60, 172800)
        assert 172000 < keys.seconds_until_given_up() <= 172800
        assert keys.seconds_until_due() <= 60
        assert await running.status(one.token()) == 200
    assert len(one.requests()) == 1


async def test_the_history_outlives_a_change_of_where_keys_come_from(
    tmp_path: Path, one: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with bench(tmp_path, by_url("app", one)) as running:
        old = one.token()
        assert await running.status(old) == 200
        one.rotate("K2", overlap=False)
        running.write(by_url("app", one, algorithms=["ES256"]))
        assert await running.reload() == ""
        assert await running.status(old) == 401
        report = json.loads(await running.admin("/keys"))["issuers"]["app"]
        assert [key["key_id"] for key in report["keys"]] == ["K2"]
        assert [(key["key_id"], key["named_since"]) for key in report["departed"]] == [("K1", 1)]
        assert report["unknown_key_ids"] == []
    told = [record.message for record in caplog.records if record.message.startswith("issuer app: key ")]
    assert told == [f"issuer app: key ES256 {what} the set" for what in ("K1 joined", "K2 joined", "K1 left")]


async def test_a_refused_reload_leaves_no_trace_in_the_history(
    tmp_path: Path, one: Issuer, other: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(tmp_path, by_url("app", one)) as running:
        before = json.loads(await running.admin("/keys"))["issuers"]["app"]["events"]
        other.answer("status", code=500)
        running.write(by_url("app", one, jwks_url=other.jwks_url))
        assert "answers 500" in await running.reload()
        assert json.loads(await running.admin("/keys"))["issuers"]["app"]["events"] == before


async def test_keys_found_by_discovery_do_not_outlive_their_issuer(tmp_path: Path, one: Issuer, other: Issuer) -> None:
    """Nothing but `issuer` changes; where the keys come from does."""
    async with bench(tmp_path, by_url("app", one, **BY_DISCOVERY)) as running:
        assert await running.status(one.token()) == 200
        running.write(by_url("app", other, **BY_DISCOVERY))
        assert await running.reload() == ""
        assert await running.status(other.token()) == 200
        assert await running.status(one.token()) == 401
        assert await running.status(one.token(iss=other.url)) == 401


@pytest.mark.parametrize("failing", ["closed", "hanging", "500", "empty"])
async def test_new_keys_that_cannot_be_had_take_no_working_issuer_away(
    tmp_path: Path, one: Issuer, other: Issuer, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "PROBE_SECONDS", 0.5)
    match failing:
        case "closed":
            other.close()
        case "hanging":
            other.answer("slow", seconds=30)
        case "500":
            other.answer("status", code=500)
        case "empty":
            other.answer("empty_set")
    moved = by_url("app", one, jwks_url=other.jwks_url)
    async with bench(tmp_path, by_url("app", one), LOCAL) as running:
        watched = running.served.app.live.watched_keys["app"]
        running.write(moved, LOCAL, leeway_seconds=7)
        assert "issuer app: " in await running.reload()
        assert running.served.app.live.watched_keys["app"] is watched
        assert running.served.app.live.config.leeway_seconds == 30, "whole or not at all"
        await until_async(running.watches_what_is_used)
        assert await running.status(one.token()) == 200
        if failing == "closed":
            other.reopen()
        other.answer("ok")
        other.document({"keys": [one.keys["K1"].jwk]})
        assert await running.reload() == ""
        assert await running.status(one.token()) == 200
        assert await running.told() == (None, True)


async def test_a_new_issuer_that_is_down_stops_nothing(tmp_path: Path, one: Issuer, other: Issuer) -> None:
    other.close()
    async with bench(tmp_path, by_url("app", one)) as running:
        running.write(by_url("app", one), by_url("other", other, cooldown_seconds=1), leeway_seconds=7)
        assert await running.reload() == ""
        assert running.served.app.live.config.leeway_seconds == 7
        assert await running.status(one.token()) == 200
        assert await running.status(other.token()) == 503
        other.reopen()
        await until_async(lambda: running.served.app.live.watched_keys["other"].state == "ready")
        assert await running.status(other.token()) == 200


@pytest.mark.parametrize("changed", [{"refresh_seconds": 600}, {"audiences": ["other"]}])
async def test_a_request_that_waits_for_keys_is_answered_by_the_configuration_it_met(
    tmp_path: Path, one: Issuer, changed: dict[str, Any]
) -> None:
    async with bench(tmp_path, by_url("app", one)) as running:
        one.rotate("K2", overlap=True)
        one.answer("slow", seconds=1, times=1)
        waiting = asyncio.ensure_future(running.status(one.token()))
        await until_async(lambda: running.served.app.live.watched_keys["app"]._waiting)
        running.write(by_url("app", one, **changed))
        assert await running.reload() == ""
        assert await waiting == 200
        assert await running.status(one.token()) == (401 if "audiences" in changed else 200)


# -- what cannot be used --------------------------------------------------------------------------------------------

GOOD = text()
BAD: dict[str, tuple[str, str]] = {
    "bad YAML": (f"{GOOD}]: [", "not valid YAML"),
    "no YAML at all": ("\x00\x01", "not valid YAML"),
    "not UTF-8": ("\udcff", "cannot read"),
    "an unknown setting": (f"{GOOD}leaway_seconds: 3\n", "leaway_seconds: is not a setting"),
    "a wrong value": (f"{GOOD}leeway_seconds: 1e9\n", "leeway_seconds: "),
    "a missing secret file": (GOOD.replace("secret_env: JWT_SECRET", "secret_file: /nowhere/secret"), "cannot read"),
    "a missing variable": (GOOD.replace("JWT_SECRET", "NOT_SET"), "the environment variable NOT_SET is not set"),
    "a weak key": (GOOD.replace("secret_env: JWT_SECRET", "secret: secret-canary"), "issuers[0].secret: it is 13"),
    "one name twice": (text(LOCAL, LOCAL | {"issuer": "https://b.example"}), "two issuers have the name 'local'"),
    "two problems": (f"{GOOD}listen: nowhere\nleeway_seconds: -1\n", "listen: must be host:port"),
    "a mapping twice": (f"{GOOD}issuers: []\n", "occurs twice"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_cannot_be_used_changes_nothing_and_is_told_until_it_is_mended(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    content, what = BAD[name]
    async with bench(tmp_path) as one:
        live = one.served.app.live
        one.file.write_bytes(content.encode("utf-8", "surrogateescape"))
        failure = await one.reload()
        assert what in failure
        assert one.served.app.live is live
        assert await one.status(local()) == 200
        assert await one.told() == (failure, False)
        (told,) = [record for record in caplog.records if "cannot be used" in record.message]
        assert told.levelno == logging.ERROR
        assert what in told.message
        for secret in (SECRET.decode(), "secret-canary"):
            assert secret not in caplog.text + failure
        one.write(leeway_seconds=7)
        assert await one.reload() == ""
        assert await one.told() == (None, True)
        assert one.served.app.live.config.leeway_seconds == 7


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"listen": "127.0.0.1:1"}, {"listen"}),
        ({"admin": {"listen": "127.0.0.1:1"}}, {"admin"}),
        ({"log": {"format": "text"}}, {"log.format"}),
        ({"listen": "127.0.0.1:1", "log": {"format": "text"}, "leeway_seconds": 7}, {"listen", "log.format"}),
    ],
)
async def test_what_takes_effect_only_at_a_start_is_refused_with_the_reason(
    tmp_path: Path, settings: dict[str, Any], names: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(tmp_path) as one:
        one.write(**settings)
        failure = await one.reload()
        assert {part.split(": ")[0] for part in failure.split("; ")} == names
        assert "needs a restart to take effect" in failure
        assert "put the old value back, or restart AuthGate" in caplog.text
        assert one.served.app.live.config.leeway_seconds == 30


async def test_a_bug_is_told_and_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    canary = "bug-canary"  # the traceback quotes the line of the raise

    def broken(*_: Any) -> Any:
        raise RuntimeError(canary)

    async with bench(tmp_path) as one:
        reloader, live = one.served.reloader, one.served.app.live
        verifying, making = reloader._preparing, reloader._make_live
        for name, mended in (("_preparing", verifying), ("_make_live", making)):
            setattr(reloader, name, reload.BlockingCall(broken) if name == "_preparing" else broken)
            assert "internal error" in await one.reload()
            assert one.served.app.live is live
            assert await one.status(local()) == 200
            assert not (await one.told())[1]
            setattr(reloader, name, mended)
            assert await one.reload() == ""
            live = one.served.app.live
    assert caplog.text.count("internal error: RuntimeError\nTraceback") == 2
    assert "bug-canary" not in caplog.text


async def test_a_bug_in_keeping_one_issuers_keys_stops_neither_the_service_nor_the_keys(
    tmp_path: Path, one: Issuer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "PAUSE_SECONDS", 0.01)
    async with bench(tmp_path, by_url("app", one), LOCAL) as running:
        keys, calls = running.served.app.live.watched_keys["app"], []

        def broken() -> None:
            calls.append(1)
            raise RuntimeError("bug-canary")

        async def asked_for_a_new_key() -> int:
            keys._cooldown_began_at = float("-inf")  # no cooldown
            return await running.status(one.token())

        give_up_if_too_stale = keys.give_up_if_too_stale
        keys.give_up_if_too_stale = broken  # type: ignore[method-assign]
        one.add("K0")
        one.current = "K0"
        async with asyncio.timeout(15):
            while len(calls) < 3:
                assert await asked_for_a_new_key() == 401
                assert await running.status(local()) == 200
            keys.give_up_if_too_stale = give_up_if_too_stale  # type: ignore[method-assign]
            one.rotate("K2", overlap=False)
            while await asked_for_a_new_key() != 200:  # noqa: ASYNC110 - until it is watched again
                await asyncio.sleep(0.01)
    assert caplog.text.count("internal error: RuntimeError\nTraceback") == 1, "the same bug is told once"


async def test_a_configuration_that_hangs_is_given_up_and_taken_over_when_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "PREPARE_SECONDS", 0.1)
    hangs = threading.Event()
    async with bench(tmp_path) as one:
        reading = one.served.reloader._preparing._call
        one.served.reloader._preparing._call = lambda: (hangs.wait(20), reading())[1]
        one.write(leeway_seconds=7)
        assert "takes longer than 0.1 s" in await one.reload()
        assert await one.status(local()) == 200
        hangs.set()
        monkeypatch.setattr(reload, "PREPARE_SECONDS", 10.0)
        assert await one.reload() == ""
        assert one.served.app.live.config.leeway_seconds == 7


async def test_a_pipe_in_the_files_place_is_not_waited_for(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        one.file.unlink()
        os.mkfifo(one.file)
        assert "a pipe into which nobody writes" in await one.reload()
        assert await one.status(local()) == 200
        one.file.unlink()
        one.write(leeway_seconds=7)
        await until_async(lambda: one.served.app.live.config.leeway_seconds == 7)


# -- the watch ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", ["in place", "renamed", "as Kubernetes does"])
async def test_a_changed_file_is_taken_over(tmp_path: Path, write: str) -> None:
    if write == "as Kubernetes does":
        for name, leeway in (("..v1", 30), ("..v2", 7)):
            (tmp_path / name).mkdir()
            (tmp_path / name / "authgate.yaml").write_text(text(leeway_seconds=leeway))
        (tmp_path / "..data").symlink_to("..v1")
        (tmp_path / "authgate.yaml").symlink_to("..data/authgate.yaml")
    async with bench(tmp_path) as one:
        match write:
            case "in place":
                one.write(leeway_seconds=7)
            case "renamed":
                (tmp_path / "new").write_text(text(leeway_seconds=7))
                (tmp_path / "new").rename(one.file)
            case _:
                (tmp_path / "..data_tmp").symlink_to("..v2")
                (tmp_path / "..data_tmp").rename(tmp_path / "..data")
        await until_async(lambda: one.served.app.live.config.leeway_seconds == 7)
        assert one.served.app.reloads.outcomes == {"succeeded": 1, "failed": 0}
        await one.looked()
        assert one.reloads() == 1, "once"


async def test_a_file_that_is_still_being_written_is_not_taken_half(tmp_path: Path) -> None:
    """Each half would be sound YAML; but what differs from look to look is not settled."""
    file = tmp_path / "authgate.yaml"
    file.write_text(text())
    app = build(prepare(load(str(file), ENVIRON)))
    looking = reload.Reloader(app, prepare=pytest.fail, make_live=pytest.fail, poll_seconds=0.001)
    with file.open("w") as writer:
        for line in text(leeway_seconds=7).splitlines(keepends=True):
            writer.write(line)
            writer.flush()
            assert not await looking._is_due()
    assert await looking._is_due()
    assert not await looking._is_due()


async def test_a_bad_file_is_tried_once_and_the_old_one_heals(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with bench(tmp_path) as one:
        one.file.write_text("issuers: 3\n")
        await until_async(lambda: one.reloads() == 1)
        await one.looked()
        assert one.served.app.reloads.outcomes == {"succeeded": 0, "failed": 1}
        assert len([record for record in caplog.records if "cannot be used" in record.message]) == 1
        assert not (await one.told())[1]
        one.write()
        await until_async(lambda: one.reloads() == 2)
        assert await one.told() == (None, True)


async def test_what_was_missing_and_comes_later_is_taken_over_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As Kubernetes mounts a new Secret after the ConfigMap that names it."""
    async with bench(tmp_path, retry_seconds=POLL_SECONDS) as one:
        one.write({"name": "late", "preset": "jwt", "secret_file": str(tmp_path / "late"), "audiences": ["tasks"]})
        await until_async(lambda: one.reloads() >= 3)
        assert "No such file" in one.served.app.reloads.failure
        assert len([record for record in caplog.records if "cannot be used" in record.message]) == 1, "once"
        (tmp_path / "late").write_bytes(OTHER_SECRET)
        await until_async(lambda: one.served.app.reloads.failure == "")
        assert await one.status(fresh(aud="tasks", key=OTHER_SECRET)) == 200
        assert await one.status(local()) == 401


async def test_a_file_told_of_by_sighup_is_not_tried_again_by_the_watch(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        one.file.write_text("issuers: 3\n")
        await one.reload()
        await one.looked()
        assert one.reloads() == 1


async def test_a_deleted_file_changes_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        one.file.unlink()
        await until_async(lambda: one.reloads() == 1)
        assert "cannot read" in one.served.app.reloads.failure
        assert await one.status(local()) == 200
        one.write()
        await until_async(lambda: one.reloads() == 2)
        assert await one.told() == (None, True)


async def test_a_start_without_a_file_reloads_the_environment(tmp_path: Path) -> None:
    async with serving(ENVIRON) as served:
        one = Bench(tmp_path, served)
        assert await one.reload() == ""
        assert await one.status(fresh()) == 200
