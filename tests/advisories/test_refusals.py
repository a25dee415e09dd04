"""Refusals: each has exactly the status that the proxy understands, and nothing fails open."""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authgate.adapters import ADAPTERS, TrustedProxies
from authgate.answers import Answers
from authgate.caches import CacheBudget
from authgate.config.load import load
from authgate.config.model import LogConfig
from authgate.core.decision import Deny
from authgate.core.errors import ConfigError
from authgate.core.policies import Policies
from authgate.core.proof import SessionCheck
from authgate.core.reasons import REASONS, Reason
from authgate.desk import Desk
from authgate.gate import Gate
from authgate.keysources import LoadFailed
from authgate.keysources.watched import Timing, WatchedKeys
from authgate.metrics import Metrics
from authgate.peers import Peers
from authgate.record import Lines, Recorder
from authgate.server import http
from authgate.server.listener import listening
from authgate.sessions import StoreFailed
from authgate.sessions.answer_caches import AnswerCaches
from authgate.sessions.cached import CachedSessions
from authgate.tokens import LruProofCache, jwk
from authgate.waiting import DecisionsInFlight
from authgate.wiring import prepare
from tests.support import session_cookies as cookies
from tests.support.deciding import (
    ALL_ALGORITHMS,
    SESSION_PLACES,
    bearer,
    decide_token,
    make_issuer,
    make_session_issuer,
    make_snapshot,
)
from tests.support.issuer import SigningKey
from tests.support.serving import Served, bearer_line, exchange, fresh, head, serving
from tests.support.tokens import OTHER_SECRET, SECRET, mint, public_jwk
from tests.support.watched_keys import watching

if TYPE_CHECKING:
    from pathlib import Path

PROXIES = tuple(ADAPTERS)
# contract.md, "Refusals, by proxy". Repeated here to find mistakes in the table of reasons.
STATUS = {
    Reason.UNREADABLE_REQUEST: 400,
    Reason.UNTRUSTED_PROXY: 403,
    Reason.CSRF: 403,
    Reason.HEADERS_TOO_LARGE: 403,
    Reason.NO_POLICY: 403,
    Reason.BANNED_USER: 403,
    Reason.ANONYMOUS_USER: 403,
    Reason.FOREIGN_SUBJECT: 403,
    Reason.FORBIDDEN: 403,
    Reason.INSUFFICIENT_SCOPE: 403,
    Reason.AMBIGUOUS_PATH: 400,
    Reason.SESSIONS_UNAVAILABLE: 503,
    Reason.OVERLOADED: 503,
    Reason.KEYS_UNAVAILABLE: 503,
    Reason.INTERNAL_ERROR: 503,
}

FILE = """
issuers:
  - {{name: app, preset: jwt, secret_env: S, issuer: "https://app", audiences: [api]}}
  - {{name: keys, preset: jwt, jwks_file: {jwks}, issuer: "https://keys", audiences: [api], subject_prefix: "keys:"}}
  - {{name: web, preset: jwt, secret_env: S, issuer: "https://web", audiences: any, subject_prefix: "web:",
     require_claims: {{client_id: web}}}}
  - {{name: front, preset: better-auth, secret_env: S, cookies: {{session_token: better-auth.session_token}},
     subject_prefix: "front:"}}
policies:
  - {{name: admin, match: {{path: /admin}}, require: {{roles: {{any_of: [admin]}}}}}}
  - {{name: reports, match: {{path: /reports}}, require: {{scopes: {{all_of: [reports:read, reports:list]}}}}}}
  - {{name: recent, match: {{path: /recent}}, require: {{authenticated_within_seconds: 60}}}}
  - {{name: rest, require: signed_in}}
"""
# The path that is asked for, if the policy or the path is the reason.
PATHS = {
    Reason.FORBIDDEN: "/admin",
    Reason.INSUFFICIENT_SCOPE: "/reports",
    Reason.INSUFFICIENT_USER_AUTHENTICATION: "/recent",
    Reason.AMBIGUOUS_PATH: "/a%2Fb",
}
APP = {"iss": "https://app", "aud": "api"}
KEYS = {"iss": "https://keys", "aud": "api", "algorithm": "ES256"}


def lines_for(reason: Reason) -> list[tuple[str, str]]:
    """Return header lines of a client that are refused for *reason*."""
    token = fresh(**APP)
    match reason:
        case Reason.UNREADABLE_REQUEST:
            return [("X_User_Id", "admin")]
        case Reason.NO_CREDENTIAL:
            return [("Authorization", "Basic dTpw")]
        case _ if reason in PATHS:
            return [bearer_line(token)]
        case Reason.AMBIGUOUS_CREDENTIAL | Reason.TOO_MANY_ATTEMPTS:
            forged = {**KEYS, "key": ec.generate_private_key(ec.SECP256R1())}
            made = APP if reason is Reason.AMBIGUOUS_CREDENTIAL else forged
            return [("Cookie", f"access_token={fresh(**made)}; access_token={fresh(**made, sub='other')}")]
        case Reason.CSRF:
            return [("Cookie", f"access_token={token}"), ("Sec-WebSocket-Key", "x"), ("Origin", "https://evil.example")]
    return [_bad_session(reason) if reason in SESSIONS else bearer_line(_bad_token(reason))]


# Refusals that only session cookies can cause.
SESSIONS = {
    Reason.UNDECRYPTABLE_TOKEN,
    Reason.CLAIM_MISMATCH,
    Reason.SESSION_NOT_FOUND,
    Reason.BANNED_USER,
    Reason.ANONYMOUS_USER,
    Reason.SESSIONS_UNAVAILABLE,
}


def _bad_session(reason: Reason) -> tuple[str, str]:
    now = time.time()
    inner = {
        Reason.CLAIM_MISMATCH: cookies.payload(now, session=cookies.session("another", now=now)),
        Reason.BANNED_USER: cookies.payload(now, user=cookies.user(banned=True)),
        Reason.ANONYMOUS_USER: cookies.payload(now, user=cookies.user(isAnonymous=True)),
    }.get(reason, cookies.payload(now))
    if reason is Reason.UNDECRYPTABLE_TOKEN:
        return cookies.cookie_line(cookies.cookie_jwe(inner, secret=OTHER_SECRET))
    if reason in {Reason.SESSION_NOT_FOUND, Reason.SESSIONS_UNAVAILABLE}:
        return cookies.cookie_line()
    return cookies.cookie_line(cookies.compact(inner, expires_at=now + 300))


def _bad_token(reason: Reason) -> str:
    token = fresh(**APP)
    return {
        Reason.MALFORMED_TOKEN: token + ".",
        Reason.FOREIGN_SUBJECT: fresh(**APP, sub="keys:ada"),
        Reason.UNKNOWN_ISSUER: fresh(iss="https://elsewhere"),
        Reason.UNKNOWN_KEY: fresh(**KEYS, header={"kid": "unknown"}),
        Reason.WRONG_ALGORITHM: fresh(**KEYS | {"algorithm": "HS256"}),
        Reason.BAD_SIGNATURE: fresh(**APP, key=OTHER_SECRET),
        Reason.EXPIRED: fresh(**APP, exp=1),
        Reason.NOT_YET_VALID: fresh(**APP, nbf=9_999_999_999),
        Reason.WRONG_AUDIENCE: fresh(**APP | {"aud": "web"}),
        Reason.WRONG_TYPE: fresh(**APP, header={"typ": "logout+jwt"}),
        Reason.MISSING_CLAIM: fresh(**APP, sub=None),
        Reason.WRONG_CLAIM: fresh(**APP | {"iss": "https://web"}, client_id="other"),
        Reason.HEADERS_TOO_LARGE: fresh(**APP, name="n" * 9000),
    }[reason]


@pytest.fixture
def config(tmp_path: Path) -> str:
    members = [public_jwk("ES256", "k1"), *(SigningKey.new(f"spare-{number}", "ES256").jwk for number in range(4))]
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": members}))
    (tmp_path / "authgate.yaml").write_text(FILE.format(jwks=tmp_path / "jwks.json"))
    return str(tmp_path / "authgate.yaml")


NOT_BY_A_CLIENT = {
    *(Reason.UNTRUSTED_PROXY, Reason.NO_POLICY, Reason.KEYS_UNAVAILABLE, Reason.SESSIONS_UNAVAILABLE),
    *(Reason.OVERLOADED, Reason.INTERNAL_ERROR),
}


def assert_refused(proxy: str, reason: Reason, answer: Any) -> None:
    status = STATUS.get(reason, 401)
    assert answer.reason == reason.value
    assert answer.status == (403 if (proxy, status) == ("nginx", 400) else status)
    assert answer.status in ({401, 403, 503} if proxy == "nginx" else {400, 401, 403, 503})
    is_challenge = answer.status == 401 or reason is Reason.INSUFFICIENT_SCOPE
    assert len(answer.all("WWW-Authenticate")) == is_challenge
    if reason is Reason.INSUFFICIENT_SCOPE:
        assert 'scope="reports:read reports:list"' in answer.all("WWW-Authenticate")[0]
    if reason is Reason.INSUFFICIENT_USER_AUTHENTICATION:
        assert 'max_age="60"' in answer.all("WWW-Authenticate")[0]
    assert len(answer.all("Retry-After")) == (answer.status == 503)
    assert not answer.all("X-User-Id")
    if proxy == "nginx":
        assert answer.body == b""
    else:
        assert answer.all("Content-Type") == ["application/problem+json"]
        assert json.loads(answer.body)["status"] == answer.status


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in NOT_BY_A_CLIENT])
async def test_J29_every_refusal_that_a_client_can_cause_has_its_status(
    config: str, proxy: str, reason: Reason
) -> None:
    """liboauth2 2026-08, mod_oauth2#94: a refused token caused a 500, or no status at all."""
    async with serving({"S": SECRET.decode()}, file=config) as served:
        sound = [await served.ask(proxy, bearer_line(fresh(**APP)))]
        sound += [await served.ask(proxy, bearer_line(fresh(**KEYS, header={"kid": "k1"})))]
        answer = await served.ask(proxy, *lines_for(reason), uri=PATHS.get(reason, "/"))
    assert [answer.status for answer in sound] == [200, 200]
    assert_refused(proxy, reason, answer)


CANARY = "canary" * 3


class Broken(LruProofCache):
    """A cache with a bug. It raises an exception whose type needs several arguments."""

    def get(self, *arguments: Any) -> Any:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, CANARY)


class NoStore:
    """A session store that does not answer."""

    where = "nowhere"
    max_connections = 1

    async def find(self, lookup: Any) -> Any:
        raise StoreFailed("nobody is there")

    async def close(self) -> None:
        return


class Silent:
    """A source of keys that does not answer."""

    where = "nowhere"

    async def load(self) -> Any:
        raise LoadFailed("it is silent")


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("reason", sorted(NOT_BY_A_CLIENT))
async def test_J29_every_other_refusal_has_its_status(proxy: str, reason: Reason) -> None:
    keys = jwk.from_jwks(json.dumps(public_jwk("ES256", "k1")).encode(), ALL_ALGORITHMS)
    snapshot = make_snapshot(make_issuer(keys))
    if reason is Reason.NO_POLICY:
        snapshot = make_snapshot(make_issuer(keys), policies=Policies(policies=()))
    if reason is Reason.INTERNAL_ERROR:
        snapshot = make_snapshot(make_issuer(keys), proofs=Broken())
    if reason is Reason.SESSIONS_UNAVAILABLE:
        issuer = make_session_issuer(session_check=SessionCheck.ALWAYS)
        snapshot = make_snapshot(issuer, places=SESSION_PLACES)
    sessions = CachedSessions("app", NoStore(), lambda *_: None, AnswerCaches(CacheBudget(), 5))  # type: ignore[arg-type, return-value]
    watched = WatchedKeys("app", Silent(), Timing(refresh_seconds=300, cooldown_seconds=10), keys)
    watched.in_flight = DecisionsInFlight(0 if reason is Reason.OVERLOADED else 1)
    peers = load(None, {"JWT_SECRET": SECRET.decode()}).config.trusted_proxies  # type: ignore[union-attr]
    desk = Desk(
        gate=Gate(snapshot, Answers({"app": watched}, {"app": sessions})),
        peers=Peers(TrustedProxies(networks=() if reason is Reason.UNTRUSTED_PROXY else tuple(peers))),
        emits=("X-User-Id",),
        recorder=Recorder(Metrics(), LogConfig(), Lines()),
    )
    async with (
        listening("127.0.0.1:0", partial(http.answer, desk)) as address,
        watching(watched),
        asyncio.TaskGroup() as tasks,
    ):
        running_sessions = tasks.create_task(sessions.run())
        credential = bearer_line(fresh(algorithm="ES256", header={"kid": "unknown"}))
        if reason is Reason.SESSIONS_UNAVAILABLE:
            credential = _bad_session(reason)
        answer = await Served(None, address, "", None).ask(proxy, credential)  # type: ignore[arg-type]
        running_sessions.cancel()
    assert_refused(proxy, reason, answer)


async def test_J29_a_bug_refuses_the_request_and_its_traceback_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The text of the exception is not logged, because it may quote a token."""
    gate = Gate(make_snapshot(proofs=Broken()), Answers({}))
    decision = await gate.decide(bearer(mint()))
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.INTERNAL_ERROR
    assert "UnicodeDecodeError" in caplog.text
    (record,) = caplog.records
    assert "in get" in record.trace
    assert CANARY not in caplog.text + record.trace


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("reason", list(Reason))
def test_J29_an_adapter_never_writes_a_success_for_a_refusal(proxy: str, reason: Reason) -> None:
    reply = ADAPTERS[proxy].write(Deny(reason=reason), "id-1")
    assert reply.status in ({401, 403, 503} if proxy == "nginx" else {400, 401, 403, 503})
    assert REASONS[reason].status == STATUS.get(reason, 401)


MISSING = {
    "no variable at all": {},
    "an empty variable": {"JWT_SECRET": ""},
    "a missing file": {"JWT_SECRET_FILE": "/nonexistent/secret"},
    "a directory": {"JWT_SECRET_FILE": "/"},
    "an empty file": {"JWT_SECRET_FILE": "/dev/null"},
    "a secret in another variable": {"SECRET": SECRET.decode()},
    "an address without its secret": {"BETTER_AUTH_URL": "https://app.example.com"},
    "a missing configuration": {"AUTHGATE_CONFIG": "/nonexistent.yaml"},
    "an empty configuration": {"AUTHGATE_CONFIG": "/dev/null"},
    "no issuer": {"AUTHGATE_ISSUERS": "[]"},
}


@pytest.mark.parametrize("kind", MISSING)
def test_J32_a_missing_secret_keeps_authgate_from_starting(kind: str) -> None:
    """CVE-2026-54762 (Traefik), CVE-2026-27586 (Caddy): a part that could not be loaded let everybody in."""
    with pytest.raises(ConfigError) as error:
        prepare(load(None, MISSING[kind]))
    assert error.value.problems


SOURCES = ["secret_file", "pem_file", "jwks_file", "secret_env"]


@pytest.mark.parametrize("source", SOURCES)
def test_J32_a_missing_key_of_one_issuer_keeps_authgate_from_starting(tmp_path: Path, source: str) -> None:
    config = tmp_path / "authgate.yaml"
    config.write_text(
        "issuers:\n"
        "  - {name: good, preset: jwt, audiences: any, secret_env: S}\n"
        f"  - {{name: bad, preset: jwt, audiences: any, issuer: x, {source}: {tmp_path / 'missing'},\n"
        '     subject_prefix: "x:"}\n'
    )
    with pytest.raises(ConfigError) as error:
        prepare(load(str(config), {"S": SECRET.decode()}))
    assert [problem.setting for problem in error.value.problems] == [f"issuers[1].{source}"]


@pytest.mark.parametrize("loss", ["gone", "empty", "no JSON", "no keys", "a private key", "directory"])
async def test_J32_after_the_loss_of_a_key_file_the_last_good_keys_stay_in_use(
    config: str, tmp_path: Path, loss: str
) -> None:
    async with serving({"S": SECRET.decode()}, file=config) as served:
        file = tmp_path / "jwks.json"
        contents = {"empty": "", "no JSON": "<html>", "no keys": '{"keys": []}'}
        file.unlink()
        if loss == "directory":
            file.mkdir()
        elif loss != "gone":
            file.write_text(contents.get(loss) or json.dumps(public_jwk("ES256", "k2", d="AQ")))
        unknown = await served.ask("traefik", bearer_line(fresh(**KEYS, header={"kid": "k2"})))  # causes a load
        known = await served.ask("traefik", bearer_line(fresh(**KEYS, header={"kid": "k1"})))
        forged = await served.ask(
            "traefik", bearer_line(fresh(**KEYS, key=ec.generate_private_key(ec.SECP256R1()), header={"kid": "k1"}))
        )
    assert (unknown.status, unknown.reason) == (503, "keys_unavailable")
    assert known.status == 200
    # The issuer may have replaced the key with this id. The token may be valid, so the user must not be signed out.
    assert (forged.status, forged.reason) == (503, "keys_unavailable")


def test_J32_an_issuer_without_keys_allows_no_request() -> None:
    empty = make_issuer(jwk.KeySet(keys=()), algorithms=ALL_ALGORITHMS)
    for algorithm in ("HS256", "ES256"):
        decision = decide_token(mint(algorithm=algorithm), make_snapshot(empty))
        assert isinstance(decision, Deny)
        assert decision.reason is Reason.UNKNOWN_KEY


async def test_J32_a_path_without_an_adapter_allows_no_request(config: str) -> None:
    async with serving({"S": SECRET.decode()}, file=config) as served:
        for path in ("/auth/unknown", "/auth", "/auth/nginx/x", "/AUTH/NGINX", "//auth/nginx"):
            lines = [("Host", "a"), bearer_line(fresh(**APP))]
            assert (await exchange(served.auth, head(path, lines))).status == 404
