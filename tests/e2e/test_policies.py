"""Policies through each proxy: the contract's example, and a few more for what it does not show.

Every path except /unasked/ asks AuthGate. The proxies' files are generated for the configuration, with X-Tenant.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import PROXIES, Stack
from tests.support import processes, sites
from tests.support.client import Answer, bearer
from tests.support.e2e import identity, sound
from tests.support.session_cookies import compact, cookie_line, payload, session, user
from tests.support.spoofs import SPOOFS
from tests.support.tokens import OTHER_SECRET, SECRET, mint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A session of Better Auth states whether somebody impersonates its user. The partner's JWTs have scopes and claims.
CONFIG = """
issuers:
  - {name: app, preset: better-auth, secret_env: APP_SECRET}
  - {name: partner, preset: jwt, secret_env: PARTNER_SECRET, issuer: https://partner.example, audiences: [tasks],
     subject_prefix: "partner:"}
log: {details: true}
policies:
"""
# The example as it stands, without login_url and cors.
EXAMPLE = """
  - {name: health, match: {path: /healthz}, public: true}
  - name: admin
    match: {path: /admin/**}
    require: {roles: {any_of: [admin]}, session: {impersonated: false}}
  - name: own-files
    match: {path: "/files/{subject}/**"}              # the segment must equal the field, else 403
    require: signed_in
  - name: reports
    match: {host: app.example.com, path: [/reports/**, /api/v1/reports/*], methods: [GET, HEAD]}
    require:
      any:
        - {email: {domain: example.com}}
        - {scopes: {all_of: [reports:read]}, issuer: {any_of: [partner]}}
      claims: {'tenant.plan': {any_of: [pro, team]}}
      authenticated_within_seconds: 43200
    headers: {X-Tenant: claims.tenant.id}
    issuers: [app, partner]                        # another issuer's token is then 403 here
    csrf: {mode: enforce, allowed_origins: []}
    credentials: [{header: Authorization}]
"""
MORE = """
  - {name: news, match: {path: /news/**}, optional: true}
  - {name: jobs, match: {path: /jobs/**}, require: {scopes: {all_of: [jobs:read, jobs:run]}}, issuers: [partner]}
"""
ENVIRON = {"APP_SECRET": SECRET.decode(), "PARTNER_SECRET": OTHER_SECRET.decode()}


@pytest.fixture(scope="module")
def with_policies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.RunningAuthGate]:
    with processes.authgate(tmp_path_factory.mktemp("policies"), CONFIG + EXAMPLE + MORE, environ=ENVIRON) as running:
        yield running


@pytest.fixture(scope="module", params=PROXIES)
def site(
    request: pytest.FixtureRequest, with_policies: processes.RunningAuthGate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Each proxy in turn, before an upstream that answers with what arrived."""
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as parts:
        upstream = parts.enter_context(processes.echo(folder))
        routes = [sites.Route("", upstream, "beside")]
        ports = parts.enter_context(sites.site(request.param, folder, with_policies, ENVIRON, routes))
        yield Stack(request.param, ports.http1, with_policies)


# The callers.


def partner(**claims: Any) -> str:
    """Return the header of a JWT of the partner, who signed in a minute ago."""
    full = {"iss": "https://partner.example", "auth_time": int(time.time()) - 60, **claims}
    return bearer(mint(sound(**full), key=OTHER_SECRET))


def signed_in(role: str = "user", *, until: float = 300, **of_the_session: Any) -> str:
    """Return the Cookie header of a session of user-1, whose data cookie is valid for *until* seconds."""
    now = time.time()
    inner = payload(now, session=session(now=now, **of_the_session), user=user(role=role))
    return ": ".join(cookie_line(compact(inner, expires_at=now + until)))


READER = {"email": None, "scope": "reports:read", "tenant": {"id": "t-1", "plan": "pro"}}


def reader(**changes: Any) -> str:
    """Return the header of a JWT that may read reports."""
    return partner(**READER | changes)


def tenant(answer: Answer) -> list[str]:
    """Return the values of X-Tenant that arrived, in any spelling. An empty one counts as none."""
    named = [(name.lower().replace("_", "-"), value) for name, value in answer.json["headers"]]
    return [value for name, value in named if name == "x-tenant" and value]


def refusal(answer: Answer) -> tuple[int, str]:
    """Return status and reason, and check the rest of a refusal."""
    assert answer.header("Content-Type") == "application/problem+json"
    assert answer.header("Cache-Control") == "no-store"
    assert answer.json["status"] == answer.status
    return answer.status, answer.json["reason"]


# What each policy allows and refuses.


@pytest.mark.parametrize("spoof", SPOOFS.values(), ids=SPOOFS)
def test_a_public_path_is_open_and_nobody_is_known_there(site: Stack, spoof: tuple[str, ...]) -> None:
    for credential in ((), (signed_in(),), (partner(),), (bearer("bad"),)):
        answer = site.ask("/healthz", *credential, *spoof)
        assert answer.status == 200
        assert identity(answer.json) == {}


def test_an_optional_path_knows_a_user_who_is_signed_in(site: Stack) -> None:
    answer = site.ask("/news/today", signed_in(), "X-User-Id: admin")
    assert (answer.status, identity(answer.json)["x-user-id"]) == (200, ["user-1"])


@pytest.mark.parametrize("path", ["/news", "/news/today"])
def test_on_an_optional_path_anyone_else_is_anonymous(site: Stack, path: str) -> None:
    expired = f"Cookie: access_token={partner(iat=1, exp=2).rpartition(' ')[2]}"
    for credential in ((), (expired,), (signed_in(until=-60),)):
        answer = site.ask(path, *credential, "X-User-Id: admin")
        assert (answer.status, identity(answer.json)) == (200, {})


def test_on_an_optional_path_a_bad_token_is_refused(site: Stack) -> None:
    assert refusal(site.ask("/news/today", bearer(mint(sound())))) == (401, "unknown_issuer")


def test_an_administrator_passes(site: Stack) -> None:
    answer = site.ask("/admin/users", signed_in("admin"))
    assert (answer.status, identity(answer.json)["x-user-roles"]) == (200, ["admin"])


NO_ADMINISTRATORS: dict[str, Callable[[], str]] = {
    "another role": lambda: signed_in("user"),
    "impersonated": lambda: signed_in("admin", impersonatedBy="user-2"),
    "unknown whether impersonated": lambda: partner(roles=["admin"]),
}


@pytest.mark.parametrize("path", ["/admin", "/admin/users", "/ADMIN/users/", "/%61dmin/users"])
@pytest.mark.parametrize("credential", NO_ADMINISTRATORS.values(), ids=NO_ADMINISTRATORS)
def test_others_are_refused_and_do_not_learn_the_rule(site: Stack, credential: Callable[[], str], path: str) -> None:
    answer = site.ask(path, credential())
    assert refusal(answer) == (403, "forbidden")
    assert answer.header("WWW-Authenticate") is None


def test_without_a_credential_the_answer_is_to_sign_in(site: Stack) -> None:
    answer = site.ask("/admin/users")
    assert refusal(answer) == (401, "no_credential")
    assert answer.header("WWW-Authenticate") == 'Bearer realm="authgate"'


FILES = {
    "/files/user-1": 200,
    "/files/user-1/a/b": 200,
    "/FILES/user-1/a": 200,
    "/files/%75ser-1/a": 200,
    "/files/user-2/a": 403,
    "/FILES/user-2/a": 403,
    "/files/USER-1/a": 403,
    "/files/user-1x": 403,
}


@pytest.mark.parametrize(("path", "status"), FILES.items())
def test_users_reach_their_own_files(site: Stack, path: str, status: int) -> None:
    assert site.ask(path).status == 401
    answer = site.ask(path, signed_in())
    assert answer.status == status
    assert status == 200 or refusal(answer) == (403, "forbidden")
    assert refusal(site.ask(path, partner())) == (403, "forbidden"), "the partner's user-1 is another person"


@pytest.mark.parametrize("path", ["/", "/elsewhere", "/healthz/", "/HEALTHZ", "/NEWS/today", "/files", "/reports?x"])
def test_what_no_policy_matches_is_refused(site: Stack, path: str) -> None:
    method = "POST" if path.startswith("/reports") else "GET"
    assert refusal(site.ask(path, signed_in("admin"), method=method)) == (403, "no_policy")


def test_another_host_meets_another_policy(site: Stack) -> None:
    assert site.ask("/reports/1", reader(), host="app.example.com:8080").status == 200
    assert refusal(site.ask("/reports/1", reader(), host="other.example.com")) == (403, "no_policy")


MAY_READ: dict[str, dict[str, Any]] = {
    "by scope": {},
    "by address": {"scope": None, "email": "u1@example.com", "email_verified": True},
}
MAY_NOT_READ: dict[str, dict[str, Any]] = {
    "no scope, no address": {"scope": None},
    "an address elsewhere": {"scope": None, "email": "u1@other.example", "email_verified": True},
    "an address that nobody verified": {"scope": None, "email": "u1@example.com"},
    "another plan": {"tenant": {"id": "t-1", "plan": "free"}},
    "no plan": {"tenant": None},
}


@pytest.mark.parametrize("path", ["/reports", "/reports/2026/may", "/api/v1/reports/1"])
@pytest.mark.parametrize("changes", MAY_READ.values(), ids=MAY_READ)
def test_reports_are_for_those_who_satisfy_the_rules(site: Stack, changes: dict[str, Any], path: str) -> None:
    for method in ("GET", "HEAD"):
        assert site.ask(path, reader(**changes), method=method).status == 200


@pytest.mark.parametrize("changes", MAY_NOT_READ.values(), ids=MAY_NOT_READ)
def test_reports_are_for_nobody_else(site: Stack, changes: dict[str, Any]) -> None:
    assert refusal(site.ask("/reports/1", reader(**changes))) == (403, "forbidden")


def test_a_cookie_does_not_count_where_the_policy_reads_a_header(site: Stack) -> None:
    assert refusal(site.ask("/reports/1", signed_in("admin"))) == (401, "no_credential")


# What the client learns.


def test_the_client_learns_which_scopes_are_missing(site: Stack) -> None:
    assert site.ask("/jobs/1", partner(scope="jobs:run jobs:read")).status == 200
    for scope in ("jobs:read", "", None):
        answer = site.ask("/jobs/1", partner(scope=scope))
        assert refusal(answer) == (403, "insufficient_scope")
        challenge = answer.header("WWW-Authenticate") or ""
        assert challenge.startswith('Bearer realm="authgate", error="insufficient_scope"')
        assert challenge.endswith(', scope="jobs:read jobs:run"')


def test_the_client_learns_how_old_the_sign_in_may_be(site: Stack) -> None:
    answer = site.ask("/reports/1", reader(auth_time=int(time.time()) - 50_000))
    assert refusal(answer) == (401, "insufficient_user_authentication")
    challenge = answer.header("WWW-Authenticate") or ""
    assert 'error="insufficient_user_authentication"' in challenge
    assert challenge.endswith(', max_age="43200"')


def test_a_user_of_an_issuer_that_the_policy_does_not_accept_is_forbidden(site: Stack) -> None:
    answer = site.ask("/jobs/1", signed_in())
    assert refusal(answer) == (403, "forbidden")
    assert answer.header("WWW-Authenticate") is None


# Each path, and what Traefik sends on instead, to AuthGate and to the upstream alike.
CLEANED = {
    "/files/user-1/%2e%2e/user-2": "/files/user-2",
    "/files//user-1": "/files/user-1",
    "/healthz/../admin": "/admin",
}
AMBIGUOUS = [
    *("/files/user-1%2f..%2fuser-2", "/files/user-2;/user-1", "/files/user-1\\user-2", "/files/user-1/%25%32e"),
    *("/files/user-1/%c0%af", "/healthz;x=1", "/healthz%00", "/healthz%3f/x", "/healthz#/x"),
]


@pytest.mark.parametrize("path", [*AMBIGUOUS, *CLEANED])
def test_a_path_that_can_be_read_in_two_ways_is_refused(site: Stack, path: str) -> None:
    """By AuthGate, to which nginx can only answer 403, or by the proxy itself."""
    answer = site.ask(path, signed_in("admin"))
    if site.proxy == "traefik" and path in CLEANED:
        assert answer.status == site.ask(CLEANED[path], signed_in("admin")).status
        assert answer.status == 403 or answer.json["path"] == CLEANED[path]
        return
    assert answer.status in ({400, 403} if site.proxy == "nginx" else {400})
    if answer.status == 403:
        assert refusal(answer)[1] in {"ambiguous_path", "unreadable_request"}


# The header of one policy.

CLAIMED = ("X-Tenant: t-9", "x-tenant: t-9", "X_Tenant: t-9")


def test_the_header_of_a_policy_is_set_under_it_and_empty_under_others(site: Stack) -> None:
    assert tenant(site.ask("/reports/1", reader())) == ["t-1"]
    for path, credential in (("/files/partner:user-1", reader()), ("/news/today", reader()), ("/healthz", reader())):
        answer = site.ask(path, credential)
        assert (answer.status, tenant(answer)) == (200, [])


def test_a_client_cannot_set_the_header_of_a_policy(site: Stack) -> None:
    assert tenant(site.ask("/reports/1", reader(), *CLAIMED)) == ["t-1"]
    without = reader(tenant={"plan": "pro"})
    for path in ("/reports/1", "/files/partner:user-1", "/news/today", "/healthz", "/unasked/x"):
        answer = site.ask(path, without, *CLAIMED)
        assert (answer.status, tenant(answer)) == (200, []), path
    assert identity(site.ask("/unasked/x", reader(), "X-User-Id: admin").json) == {}
