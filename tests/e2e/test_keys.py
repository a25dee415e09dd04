"""The states of a key set, with the real server, a real issuer, nginx, Traefik and Caddy.

An outage always causes a 503. To a client it must never look like being signed out.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.certificates import Authority
from tests.support.client import ask, bearer
from tests.support.e2e import sound
from tests.support.issuer import TASKS, Issuer, by_url, running_issuer
from tests.support.tokens import SECRET, mint
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.behind_proxies import Proxies, Running

SECRET_ISSUER = {"name": "other", **TASKS, "secret_env": "APP_SECRET"}
ENVIRON = {"APP_SECRET": SECRET.decode()}
through_each = pytest.mark.parametrize("proxy", ["nginx", "traefik", "caddy"])


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    with running_issuer(tmp_path) as running:
        yield running


def key_ids(running: Running, name: str = "app", *, which: str = "keys") -> list[str]:
    return [key["key_id"] for key in running.report(name)[which]]


def until_seconds(report: dict[str, Any], name: str) -> float:
    """Return the whole seconds until the time named *name*, by AuthGate's own clock."""
    return (datetime.fromisoformat(report[name]) - datetime.fromisoformat(report["now"])).total_seconds()


def test_a_token_passes_for_every_source_of_keys(all_proxies: Proxies, tmp_path: Path, issuer: Issuer) -> None:
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    with running_issuer(tmp_path, tls=authority.issue("127.0.0.1"), algorithm="RS256") as secure:
        openid, oauth = issuer.tenant("/openid", "Ed25519"), issuer.tenant("/oauth", "PS256")
        oauth.withdraw(oauth.openid_path)
        by_discovery = {"jwks_url": None, "discovery": True}
        trusted = {"ca_file": str(tmp_path / "ca.pem"), "allow_http": None}
        with all_proxies.serve(
            tmp_path,
            by_url("plain", issuer),
            by_url("secure", secure, **trusted),
            by_url("secure-discovery", secure.tenant("/found"), **trusted, **by_discovery),
            by_url("openid", openid, **by_discovery),
            by_url("oauth", oauth, **by_discovery),
        ) as running:
            for who in (issuer, secure, openid, oauth):  # at once: requests wait for the first load
                answer = running.ask(who.token(sub="user-7", email="u7@example.com"))
                assert answer.status == 200
                seen = {name.lower(): value for name, value in answer.json["headers"]}
                assert (seen["x-user-id"], seen["x-user-email"]) == ("user-7", "u7@example.com")
            assert running.readyz().status == 200
            until(lambda: all(state["state"] == "ready" for state in running.readyz().json["issuers"].values()))


def test_keys_of_an_issuer_with_an_untrusted_certificate_are_not_loaded(all_proxies: Proxies, tmp_path: Path) -> None:
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(Authority("another").pem)
    with (
        running_issuer(tmp_path, tls=authority.issue("127.0.0.1")) as secure,
        all_proxies.serve(
            tmp_path,
            by_url("unknown", secure, allow_http=None),
            by_url("wrong", secure.tenant("/wrong"), allow_http=None, ca_file=str(tmp_path / "ca.pem")),
        ) as running,
    ):
        assert running.ask(secure.token()).status == 503
        running.logged("issuer wrong", "its certificate is not trusted")
        assert secure.requests() == []
        assert running.readyz().status == 503


@through_each
def test_a_rotation_with_overlap_refuses_nobody(
    all_proxies: Proxies, tmp_path: Path, issuer: Issuer, proxy: str
) -> None:
    with all_proxies.serve(tmp_path, by_url("app", issuer), through=proxy) as running:
        old = [issuer.token(sub=f"old-{number}") for number in range(8)]
        assert running.ask(old[0]).status == 200
        before = len(issuer.requests(issuer.jwks_path))
        issuer.rotate("K2", overlap=True)
        new = [issuer.token(sub=f"new-{number}") for number in range(8)]
        with ThreadPoolExecutor(8) as many:
            statuses = [*many.map(lambda token: running.ask(token).status, [*new, *old, *new, *old])]
        assert statuses == [200] * 32
        assert len(issuer.requests(issuer.jwks_path)) - before == 1, "one load for all concurrent requests"
        assert key_ids(running) == ["K1", "K2"]


@through_each
def test_a_rotation_without_overlap_lets_the_new_key_in_at_once(
    all_proxies: Proxies, tmp_path: Path, issuer: Issuer, proxy: str
) -> None:
    with all_proxies.serve(tmp_path, by_url("app", issuer), through=proxy) as running:
        old = issuer.token()
        assert [running.ask(old).status for _ in range(2)] == [200, 200]
        before = len(issuer.requests(issuer.jwks_path))
        issuer.rotate("K2", overlap=False)
        assert running.ask(issuer.token()).status == 200
        assert len(issuer.requests(issuer.jwks_path)) - before == 1
        answer = running.ask(old)
        assert (answer.status, answer.json["reason"]) == (401, "unknown_key"), "its cached proof was evicted"
        assert len(issuer.requests(issuer.jwks_path)) - before == 1, "the cooldown has not passed"
        report = running.report("app")
        (gone,) = report["departed"]
        assert (gone["key_id"], gone["named_since"]) == ("K1", 1)
        assert gone["proofs"] >= 1
        running.logged("issuer app", "K1", "left the set")
        running.logged("issuer app", "tokens that name", "K1", "still arrive")


@through_each
def test_a_key_that_the_issuer_removed_is_rejected_after_the_next_refresh(
    all_proxies: Proxies, tmp_path: Path, issuer: Issuer, proxy: str
) -> None:
    with all_proxies.serve(
        tmp_path, by_url("app", issuer, refresh_seconds=1, cooldown_seconds=1), through=proxy
    ) as running:
        stolen = issuer.token()
        assert [running.ask(stolen).status for _ in range(2)] == [200, 200]
        issuer.add("K2")
        issuer.publish("K2")  # no token names it yet, so AuthGate does not ask
        running.until(401, stolen, meanwhile={200})
        assert running.ask(issuer.token(key="K2")).status == 200
        issuer.publish("K1", "K2")
        running.until(200, stolen, meanwhile={401})


@through_each
def test_an_outage_signs_nobody_out(all_proxies: Proxies, tmp_path: Path, issuer: Issuer, proxy: str) -> None:
    with all_proxies.serve(tmp_path, by_url("app", issuer, cooldown_seconds=1), through=proxy) as running:
        old, never_seen = issuer.token(), issuer.token(sub="first seen during the outage")
        assert running.ask(old).status == 200
        issuer.close()
        issuer.rotate("K2", overlap=True)
        for _ in range(3):
            answer = running.ask(issuer.token())
            assert (answer.status, answer.json["reason"]) == (503, "keys_unavailable")
            assert (running.ask(old).status, running.ask(never_seen).status) == (200, 200)
        assert running.report("app")["state"] == "stale"
        assert running.readyz().status == 200, "it serves"
        running.logged("issuer app", "keys cannot be loaded, the old keys stay in use", "no connection")
        issuer.reopen()
        running.until(200, issuer.token(), meanwhile={503})
        assert (running.ask(old).status, running.report("app")["state"]) == (200, "ready")
        running.logged("issuer app", "keys can be loaded again")


@through_each
def test_after_max_stale_seconds_an_issuer_is_unavailable_until_it_answers(
    all_proxies: Proxies, tmp_path: Path, issuer: Issuer, proxy: str
) -> None:
    short = {"refresh_seconds": 1, "max_stale_seconds": 2, "cooldown_seconds": 1}
    with all_proxies.serve(
        tmp_path, by_url("app", issuer, **short), SECRET_ISSUER, through=proxy, environ=ENVIRON
    ) as running:
        token = issuer.token()
        assert running.ask(token).status == 200
        issuer.close()
        running.until(503, token, meanwhile={200})
        for tried in (token, issuer.token(sub="u2"), issuer.token(header={"kid": "another"})):
            assert running.ask(tried).json["reason"] == "keys_unavailable"
        assert running.ask(mint(sound())).status == 200, "the other issuer"
        report = running.report("app")
        assert (report["state"], report["failures_in_a_row"] > 0) == ("given up", True)
        assert until_seconds(report, "next_refresh") <= 1, "it is asked again within one cooldown"
        running.logged("issuer app", "the keys are given up")
        issuer.reopen()
        running.until(200, token, meanwhile={503})
        assert running.report("app")["state"] == "ready"


@pytest.mark.parametrize("ready_when", ["any", "all"])
def test_an_issuer_that_is_down_at_the_start_delays_no_other(
    all_proxies: Proxies, tmp_path: Path, issuer: Issuer, ready_when: str
) -> None:
    issuer.close()
    app = by_url("app", issuer, cooldown_seconds=1)
    with all_proxies.serve(tmp_path, app, SECRET_ISSUER, environ=ENVIRON, ready_when=ready_when) as running:
        token, other = issuer.token(), mint(sound())
        for _ in range(3):
            assert running.ask(other).status == 200
            answer = running.ask(token)
            assert (answer.status, answer.json["reason"]) == (503, "keys_unavailable")
        readyz = running.readyz()
        assert readyz.status == (200 if ready_when == "any" else 503)
        assert {name: state["state"] for name, state in readyz.json["issuers"].items()} == {
            "app": "no keys",
            "other": "ready",
        }
        report = until(lambda: (report := running.report("app"))["failures_in_a_row"] >= 3 and report)
        assert until_seconds(report, "next_refresh") <= 1, (
            "it is asked again within one cooldown, however long it lasts"
        )
        issuer.reopen()
        running.until(200, token, meanwhile={503})
        until(lambda: running.readyz().status == 200)
        assert running.ask(other).status == 200


# Answers of a broken issuer, and a word of the message that is logged.
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "status": ({"code": 500}, "500"),
    "garbage": ({}, "JWK Set"),
    "empty_set": ({}, "no key"),
    "malformed": ({}, "JWK Set"),
    "huge": ({}, "262144 bytes"),
    "redirect": ({"to": "/secret-door/jwks"}, "redirects"),
    "drop": ({}, "cannot be fetched"),
    "cut_off": ({}, "cannot be fetched"),
    "wrong_length": ({"by": 7}, "cannot be fetched"),
    "many_keys": ({}, "64 keys"),
    "gzip": ({}, "compressed"),
    "body": ({"text": "[" * 60_000}, "JWK Set"),
    "flapping": ({}, "500"),
}


def broken_tenants(issuer: Issuer) -> dict[str, Issuer]:
    return {behavior: issuer.tenant(f"/{behavior}") for behavior in BROKEN}


def test_a_broken_answer_keeps_the_good_keys_and_affects_no_other_issuer(
    all_proxies: Proxies, tmp_path: Path, issuer: Issuer
) -> None:
    tenants = broken_tenants(issuer)
    door = issuer.tenant("/secret-door")
    short = {"refresh_seconds": 1, "cooldown_seconds": 1}
    configured = [by_url(name.replace("_", "-"), tenant, **short) for name, tenant in tenants.items()]
    with all_proxies.serve(tmp_path, *configured, by_url("sound", issuer, **short)) as running:
        tokens = {name: tenant.token(sub=name) for name, tenant in tenants.items()}
        assert {name: running.ask(token).status for name, token in tokens.items()} == dict.fromkeys(tenants, 200)
        for name, (options, _) in BROKEN.items():
            tenants[name].answer(name, **options)
        for name, (_, word) in BROKEN.items():
            running.logged(f"issuer {name.replace('_', '-')}: keys cannot be loaded, the old keys stay in use", word)
        for name, tenant in tenants.items():
            assert running.ask(tokens[name]).status == 200
            assert running.ask(tenant.token(sub="first seen now")).status == 200
            assert key_ids(running, name.replace("_", "-")) == ["K1"]
        assert running.report("sound")["last_error"] is None
        assert running.report("sound")["failures_in_a_row"] == 0
        issuer.rotate("K2", overlap=True)
        assert running.ask(issuer.token()).status == 200
        assert door.requests(door.jwks_path) == [], "no redirect is followed"
        for tenant in tenants.values():
            tenant.rotate("K2", overlap=True)
            tenant.answer("ok")
        for tenant in tenants.values():
            running.until(200, tenant.token(), meanwhile={503})


def test_an_issuer_with_a_broken_answer_at_the_start_is_asked_again(
    all_proxies: Proxies, tmp_path: Path, issuer: Issuer
) -> None:
    tenants = {name: tenant for name, tenant in broken_tenants(issuer).items() if name != "flapping"}
    for name, tenant in tenants.items():
        tenant.answer(name, **BROKEN[name][0])
    configured = [by_url(name.replace("_", "-"), tenant, cooldown_seconds=1) for name, tenant in tenants.items()]
    with all_proxies.serve(tmp_path, *configured, by_url("sound", issuer)) as running:
        assert running.ask(issuer.token()).status == 200
        for tenant in tenants.values():
            answer = running.ask(tenant.token())
            assert (answer.status, answer.json["reason"]) == (503, "keys_unavailable")
        for tenant in tenants.values():
            tenant.answer("ok")
        for tenant in tenants.values():
            running.until(200, tenant.token(), meanwhile={503})


def test_a_slow_issuer_is_waited_for_briefly_and_delays_no_other(
    all_proxies: Proxies, tmp_path: Path, issuer: Issuer
) -> None:
    slow = issuer.tenant("/slow")
    with (
        all_proxies.serve(tmp_path, by_url("slow", slow), by_url("sound", issuer)) as running,
        ThreadPoolExecutor(8) as many,
    ):
        assert (running.ask(slow.token()).status, running.ask(issuer.token()).status) == (200, 200)
        slow.answer("slow", seconds=5)
        slow.rotate("K2", overlap=True)
        asked = len(slow.requests(slow.jwks_path))
        waiting = [
            many.submit(ask, port, "/api/echo", bearer(slow.token()))
            for port in running.ports.values()
            for _ in range(2)
        ]
        until(lambda: len(slow.requests(slow.jwks_path)) > asked)
        assert running.ask(issuer.token(sub="undisturbed")).status == 200
        assert running.ask(slow.token(sub="undisturbed", key="K1")).status == 200
        assert not any(request.done() for request in waiting), "they waited, and no other request did"
        answers = [request.result() for request in waiting]
        assert {(answer.status, answer.json["reason"]) for answer in answers} == {(503, "keys_unavailable")}
        running.until(200, slow.token(), meanwhile={503})
        assert len(slow.requests(slow.jwks_path)) == asked + 1, "one load for all of them"


def test_one_bad_key_is_skipped_and_the_others_stay(all_proxies: Proxies, tmp_path: Path, issuer: Issuer) -> None:
    leaking = issuer.tenant("/leaking")
    leaking.add("leaked")
    leaking.answer("bad_key", jwk={**leaking.keys["leaked"].jwk, "d": "AQ"})
    issuer.answer("bad_key")
    with all_proxies.serve(tmp_path, by_url("app", issuer), by_url("leaking", leaking)) as running:
        assert (running.ask(issuer.token()).status, running.ask(leaking.token()).status) == (200, 200)
        for name, bad in (("app", "bad"), ("leaking", "leaked")):
            (skipped,) = running.report(name)["skipped"]
            assert f"key '{bad}'" in skipped
            assert key_ids(running, name) == ["K1"]
            running.logged(f"issuer {name}: skipped key '{bad}'")
        assert running.ask(leaking.token(key="leaked")).status == 401
