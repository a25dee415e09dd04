"""Keys across a reload: what is shared with the old configuration, what is loaded again, and when to reject."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from authgate import background
from authgate.server import reload
from tests.support.issuer import Issuer, by_url, running_issuer
from tests.support.reloadable import LOCAL, local_token, reloadable_server
from tests.support.serving import BY_DISCOVERY, bearer_line
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def issuer_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Issuer, Issuer]]:
    folder = tmp_path_factory.mktemp("issuers")
    with running_issuer(folder) as first, running_issuer(folder) as second:
        yield first, second


@pytest.fixture
def issuer(issuer_processes: tuple[Issuer, Issuer]) -> Iterator[Issuer]:
    yield from restored(issuer_processes[0])


@pytest.fixture
def other_issuer(issuer_processes: tuple[Issuer, Issuer]) -> Iterator[Issuer]:
    yield from restored(issuer_processes[1])


def restored(issuer: Issuer) -> Iterator[Issuer]:
    """Yield *issuer*, and undo afterwards what a test changed about it."""
    issuer.forget()
    yield issuer
    issuer.answer("ok")
    issuer.current = "K1"
    issuer.publish("K1")
    issuer.reopen()


async def test_an_issuer_can_be_added_and_removed_and_its_task_ends_with_it(tmp_path: Path, issuer: Issuer) -> None:
    async with reloadable_server(tmp_path) as server:
        before = len(asyncio.all_tasks())
        for _ in range(3):
            server.write(LOCAL, by_url("app", issuer))
            assert await server.reload() == ""
            assert await server.status(issuer.token()) == 200
            server.write(LOCAL)
            assert await server.reload() == ""
            assert await server.status(issuer.token()) == 401
            await until_async(server.watches_only_keys_in_use)
        assert await server.status(local_token()) == 200
        await until_async(lambda: len(asyncio.all_tasks()) == before)


async def test_an_issuer_with_unchanged_key_settings_keeps_its_keys_and_history_without_a_fetch(
    tmp_path: Path, issuer: Issuer
) -> None:
    async with reloadable_server(tmp_path, by_url("app", issuer), LOCAL) as server:
        assert await server.status(issuer.token()) == 200
        watched = server.served.app.live.watched_keys["app"]
        report = json.loads(await server.admin_page("/keys"))["issuers"]["app"]
        for leeway in range(10):
            server.write(by_url("app", issuer, audiences=["tasks", f"tasks-{leeway}"]), LOCAL, leeway_seconds=leeway)
            assert await server.reload() == ""
        assert server.served.app.live.watched_keys["app"] is watched
        after = json.loads(await server.admin_page("/keys"))["issuers"]["app"]
        assert [after[name] for name in ("keys", "events")] == [report[name] for name in ("keys", "events")]
        assert len(issuer.requests(issuer.jwks_path)) == 1
        issuer.rotate("K2", overlap=False)
        assert await server.status(issuer.token()) == 200, "the new gate uses the shared key set"
        assert await server.status(issuer.token(key="K1")) == 401


async def test_only_an_issuer_with_changed_key_settings_is_fetched_again(
    tmp_path: Path, issuer: Issuer, other_issuer: Issuer
) -> None:
    async with reloadable_server(tmp_path, by_url("app", issuer), by_url("other", other_issuer)) as server:
        server.write(by_url("app", issuer), by_url("other", other_issuer, algorithms=["ES256"]))
        assert await server.reload() == ""
        assert (len(issuer.requests()), len(other_issuer.requests())) == (1, 2)


async def test_another_file_with_the_token_for_the_keys_is_used_after_a_reload(tmp_path: Path, issuer: Issuer) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("canary-first")
    second.write_text("canary-second")
    issuer.answer("bearer", token="canary-first")
    async with reloadable_server(tmp_path, by_url("app", issuer, jwks_token_file=str(first))) as server:
        assert await server.status(issuer.token()) == 200
        server.write(by_url("app", issuer, jwks_token_file=str(second)))
        rejected = await server.reload()
        assert f"does not accept the token in {second} (jwks_token_file)" in rejected
        assert "canary" not in rejected
        issuer.answer("bearer", token="canary-second")
        assert await server.reload() == ""
        assert await server.status(issuer.token()) == 200
        assert b"canary" not in await server.admin_page("/keys")


async def test_refresh_times_change_without_a_fetch_even_in_an_outage(tmp_path: Path, issuer: Issuer) -> None:
    """An operator may want keys to live longer while the issuer is down."""
    async with reloadable_server(tmp_path, by_url("app", issuer)) as server:
        watched = server.served.app.live.watched_keys["app"]
        issuer.close()
        server.write(by_url("app", issuer, refresh_seconds=60, max_stale_seconds=172800))
        assert await server.reload() == ""
        assert server.served.app.live.watched_keys["app"] is watched
        assert (watched.timing.refresh_seconds, watched.timing.max_stale_seconds) == (60, 172800)
        assert 172000 < watched.seconds_until_given_up() <= 172800
        assert watched.seconds_until_due() <= 60
        assert await server.status(issuer.token()) == 200
    assert len(issuer.requests()) == 1


async def test_the_history_survives_a_change_of_the_key_source(
    tmp_path: Path, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with reloadable_server(tmp_path, by_url("app", issuer)) as server:
        old = issuer.token()
        assert await server.status(old) == 200
        issuer.rotate("K2", overlap=False)
        server.write(by_url("app", issuer, algorithms=["ES256"]))
        assert await server.reload() == ""
        assert await server.status(old) == 401
        report = json.loads(await server.admin_page("/keys"))["issuers"]["app"]
        assert [key["key_id"] for key in report["keys"]] == ["K2"]
        assert [(key["key_id"], key["named_since"]) for key in report["departed"]] == [("K1", 1)]
        assert report["unknown_key_ids"] == []
    messages = [message for message in caplog.messages if message.startswith("issuer app: key ")]
    for message, change in zip(messages, ("ES256 K1 joined", "ES256 K2 joined", "ES256 K1 left"), strict=True):
        assert change in message


async def test_a_rejected_reload_adds_nothing_to_the_history(
    tmp_path: Path, issuer: Issuer, other_issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    async with reloadable_server(tmp_path, by_url("app", issuer)) as server:
        before = json.loads(await server.admin_page("/keys"))["issuers"]["app"]["events"]
        other_issuer.answer("status", code=500)
        server.write(by_url("app", issuer, jwks_url=other_issuer.jwks_url))
        assert "answers 500" in await server.reload()
        assert json.loads(await server.admin_page("/keys"))["issuers"]["app"]["events"] == before


async def test_discovered_keys_do_not_outlive_a_change_of_the_issuer(
    tmp_path: Path, issuer: Issuer, other_issuer: Issuer
) -> None:
    """Only `issuer` changes, but discovery finds the keys through it."""
    async with reloadable_server(tmp_path, by_url("app", issuer, **BY_DISCOVERY)) as server:
        assert await server.status(issuer.token()) == 200
        server.write(by_url("app", other_issuer, **BY_DISCOVERY))
        assert await server.reload() == ""
        assert await server.status(other_issuer.token()) == 200
        assert await server.status(issuer.token()) == 401
        assert await server.status(issuer.token(iss=other_issuer.url)) == 401


@pytest.mark.parametrize("failing", ["closed", "hanging", "500", "empty"])
async def test_a_configuration_is_rejected_if_a_working_issuer_would_have_no_keys(
    tmp_path: Path, issuer: Issuer, other_issuer: Issuer, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    match failing:
        case "closed":
            other_issuer.close()
        case "hanging":
            monkeypatch.setattr(reload, "PROBE_SECONDS", 0.5)
            other_issuer.answer("slow", seconds=30)
        case "500":
            other_issuer.answer("status", code=500)
        case "empty":
            other_issuer.answer("empty_set")
    moved = by_url("app", issuer, jwks_url=other_issuer.jwks_url)
    async with reloadable_server(tmp_path, by_url("app", issuer), LOCAL) as server:
        watched = server.served.app.live.watched_keys["app"]
        server.write(moved, LOCAL, leeway_seconds=7)
        assert "issuer app: " in await server.reload()
        assert server.served.app.live.watched_keys["app"] is watched
        assert server.served.app.live.config.leeway_seconds == 30, "nothing of a rejected configuration is used"
        await until_async(server.watches_only_keys_in_use)
        assert await server.status(issuer.token()) == 200
        monkeypatch.setattr(reload, "PROBE_SECONDS", 60.0)  # on a busy machine, too, there is an answer
        other_issuer.reopen()
        other_issuer.answer("ok")
        other_issuer.document({"keys": [issuer.keys["K1"].jwk]})
        assert await server.reload() == ""
        assert await server.status(issuer.token()) == 200
        assert await server.last_reload() == (None, True)


async def test_a_new_issuer_that_is_down_does_not_prevent_a_reload(
    tmp_path: Path, issuer: Issuer, other_issuer: Issuer
) -> None:
    other_issuer.close()
    async with reloadable_server(tmp_path, by_url("app", issuer)) as server:
        server.write(by_url("app", issuer), by_url("other", other_issuer, cooldown_seconds=1), leeway_seconds=7)
        assert await server.reload() == ""
        assert server.served.app.live.config.leeway_seconds == 7
        assert await server.status(issuer.token()) == 200
        assert await server.status(other_issuer.token()) == 503
        other_issuer.reopen()
        await until_async(lambda: server.served.app.live.watched_keys["other"].state == "ready")
        assert await server.status(other_issuer.token()) == 200


@pytest.mark.parametrize("changed", [{"refresh_seconds": 600}, {"audiences": ["other"]}])
async def test_a_request_that_waits_for_keys_is_answered_by_the_configuration_it_started_with(
    tmp_path: Path, issuer: Issuer, changed: dict[str, Any]
) -> None:
    async with reloadable_server(tmp_path, by_url("app", issuer)) as server:
        issuer.rotate("K2", overlap=True)
        issuer.answer("slow", seconds=1, times=1)
        waiting = asyncio.ensure_future(server.status(issuer.token()))
        await until_async(lambda: server.served.app.live.watched_keys["app"]._waiting)
        server.write(by_url("app", issuer, **changed))
        assert await server.reload() == ""
        assert await waiting == 200
        assert await server.status(issuer.token()) == (401 if "audiences" in changed else 200)


async def test_a_bug_in_the_task_of_one_key_set_stops_neither_the_service_nor_the_task(
    tmp_path: Path, issuer: Issuer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "PAUSE_SECONDS", 0.01)
    async with reloadable_server(tmp_path, by_url("app", issuer), LOCAL) as server:
        watched, calls = server.served.app.live.watched_keys["app"], []

        def broken() -> None:
            calls.append(1)
            raise RuntimeError("bug-canary")

        async def status_with_a_new_key() -> int:
            watched._cooldown_began_at = float("-inf")  # no cooldown
            return await server.status(issuer.token())

        give_up_if_too_stale = watched.give_up_if_too_stale
        watched.give_up_if_too_stale = broken  # type: ignore[method-assign]
        issuer.add("K0")
        issuer.current = "K0"
        async with asyncio.timeout(60):
            while len(calls) < 3:
                assert await status_with_a_new_key() == 401
                assert await server.status(local_token()) == 200
            watched.give_up_if_too_stale = give_up_if_too_stale  # type: ignore[method-assign]
            issuer.rotate("K2", overlap=False)
            while await status_with_a_new_key() != 200:  # noqa: ASYNC110 - until the task runs again
                await asyncio.sleep(0.01)
    assert caplog.text.count("internal error: RuntimeError at ") == 1, "the same bug is logged once"


async def test_a_request_that_waits_for_keys_during_a_reload_is_decided_by_one_of_both_configurations_alone(
    tmp_path: Path, issuer: Issuer
) -> None:
    """Here the old one: it is the one that asks for the keys, and it has the policy and the headers."""

    def policies(role: str, claim: str) -> dict[str, Any]:
        only = {"name": role, "require": {"roles": {"any_of": [role]}}, "headers": {"X-Which": f"claims.{claim}"}}
        return {"policies": [only]}

    async with reloadable_server(tmp_path, by_url("app", issuer), **policies("a", "first")) as server:
        issuer.rotate("K2", overlap=False)
        issuer.answer("slow", seconds=1)
        users = [issuer.token(roles=roles, first="1", second="2") for roles in (["a", "b"], ["b"])]
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(server.served.ask("nginx", bearer_line(token))) for token in users]
            await until_async(lambda: len(issuer.requests(issuer.jwks_path)) > 1)
            server.write(by_url("app", issuer), **policies("b", "second"))
            assert await server.reload() == ""
        answers = [task.result() for task in asked]
        assert [(answer.status, answer.all("X-Which")) for answer in answers] == [(200, ["1"]), (403, [])]
        answers = [await server.served.ask("nginx", bearer_line(token)) for token in users]
        assert [(answer.status, answer.all("X-Which")) for answer in answers] == [(200, ["2"]), (200, ["2"])]
