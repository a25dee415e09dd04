"""`authgate explain` and policies: those looked at, each rule with its values, and `--policy METHOD URL`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support import commands
from tests.support.tokens import NOW, SECRET, claims, mint

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

ENVIRON = {"TOKEN_SECRET": SECRET.decode()}
POLICIES: list[dict[str, Any]] = [
    {"name": "health", "match": {"path": "/healthz"}, "public": True},
    {
        "name": "admin",
        "match": {"path": "/admin/**", "host": "app.example.com"},
        "require": {"roles": {"any_of": ["admin", "root"]}, "session": {"impersonated": False}},
    },
    {"name": "own-files", "match": {"path": "/files/{subject}/**"}, "require": "signed_in"},
    {"name": "write", "match": {"path": "/tasks", "methods": "POST"}, "require": {"scopes": {"all_of": ["w", "r"]}}},
    {"name": "pay", "match": {"path": "/pay"}, "require": {"authenticated_within_seconds": 60}},
    {
        "name": "reports",
        "match": {"path": "/reports/**"},
        "require": {
            "any": [
                {"email": {"domain": "example.com"}},
                {"acr": {"any_of": ["gold"]}, "claims": {"tenant.plan": {"none_of": ["free", 1]}}},
            ],
            "not": {"subject": {"any_of": ["mallory"]}},
        },
        "headers": {"X-Plan": "claims.tenant.plan"},
    },
    {"name": "office", "match": {"path": "/office", "client": "10.0.0.0/8"}, "require": "signed_in"},
    {"name": "home", "match": {"path": "/"}, "optional": True},
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write(tmp_path, POLICIES)


def write(folder: Path, policies: list[dict[str, Any]]) -> Path:
    path = folder / "authgate.yaml"
    issuer = {"name": "app", "preset": "jwt", "secret_env": "TOKEN_SECRET", "audiences": ["tasks"]}
    path.write_text(yaml.safe_dump({"issuers": [issuer], "policies": policies}))
    return path


def curl(url: str, *arguments: str, **more: Any) -> str:
    token = mint(claims(aud="tasks", **more))
    return f"curl {' '.join(arguments)} -H 'Authorization: Bearer {token}' 'https://app.example.com{url}'"


def explain(
    config: Path, stdin: str = "", *arguments: object, code: int | None = None
) -> subprocess.CompletedProcess[str]:
    ended = commands.authgate("explain", "--config", config, "--at", NOW, *arguments, stdin=stdin, environ=ENVIRON)
    assert ended.stderr == ""
    assert code is None or ended.returncode == code, ended.stdout
    return ended


def explained(config: Path, stdin: str, *arguments: object) -> dict[str, Any]:
    decision: dict[str, Any] = json.loads(explain(config, stdin, "--json", *arguments).stdout)
    return decision


# -- the policies looked at ------------------------------------------------------------------------------------------


def test_each_policy_looked_at_is_listed_in_order_with_both_values_of_what_does_not_fit(config: Path) -> None:
    shown = explain(config, curl("/files/user-1/a"), code=0).stdout
    assert shown.startswith(
        "ALLOWED\n"
        "  ✓ policy       own-files\n"
        "                 health     path /healthz is not /files/user-1/a\n"
        "                 admin      path /admin/** is not /files/user-1/a\n"
        "                 own-files  matches: path /files/{subject}/**\n"
        "  ✓ credential   header:authorization\n"
    )


def test_every_dimension_that_does_not_fit_is_named(config: Path) -> None:
    shown = explain(config, "curl -X PUT https://b.example/Admin", code=1).stdout
    assert shown.startswith("REFUSED  no_policy: ")
    assert "  ✗ policy       no policy matches\n" in shown
    assert " admin      host app.example.com is not b.example\n" in shown
    assert " write      method POST is not PUT; path /tasks is not /Admin\n" in shown


def test_input_without_a_url_is_noted_because_the_policies_depend_on_it(config: Path) -> None:
    assert "This decided GET /. " in explain(config, "Authorization: Bearer x", code=1).stdout
    assert "This decided" not in explain(config, "https://app.example.com/x", code=1).stdout


def test_json_has_every_policy_looked_at_with_its_comparisons(config: Path) -> None:
    decision = explained(config, "curl -X PUT https://app.example.com/tasks")
    assert (decision["outcome"], decision["reason"], decision["policy"]) == ("deny", "no_policy", "")
    assert [policy["name"] for policy in decision["policies"]] == [policy["name"] for policy in POLICIES]
    (write,) = (policy for policy in decision["policies"] if policy["name"] == "write")
    assert write == {
        "name": "write",
        "matches": False,
        "match": [
            {"dimension": "method", "expected": ["POST"], "actual": "PUT", "fits": False},
            {"dimension": "path", "expected": ["/tasks"], "actual": "/tasks", "fits": True},
        ],
    }


def test_without_policies_no_list_is_shown() -> None:
    ended = commands.authgate("explain", "--at", NOW, stdin=mint(claims(aud="tasks")))
    assert ended.stdout.startswith("ALLOWED\n  ✓ policy       default\n  ✓ credential")


def test_an_ambiguous_path_says_why_and_lists_no_policy(config: Path) -> None:
    decision = explained(config, "/files/a%2Fb")
    assert (decision["reason"], decision["policies"]) == ("ambiguous_path", [])
    assert "encoded slash" in decision["checks"][-1]["detail"]


def test_a_client_address_that_the_request_lacks_is_said_and_can_be_given(config: Path) -> None:
    shown = explain(config, curl("/office"), code=1).stdout
    assert " office     client 10.0.0.0/8, and the proxy sends no address\n" in shown
    assert explain(config, curl("/office"), "--client", "10.1.2.3", code=0).stdout.startswith("ALLOWED")
    shown = explain(config, curl("/office"), "--client", "192.0.2.1", code=1).stdout
    assert " client 10.0.0.0/8 is not 192.0.2.1\n" in shown


MANY = [
    *({"name": f"p{n}", "match": {"path": f"/service-{n}/**"}, "require": "signed_in"} for n in range(197)),
    {"name": "healthz", "match": {"path": "/healthz"}, "public": True},
    {"name": "write", "match": {"path": "/tasks/*", "methods": "POST"}, "require": "signed_in"},
    {"name": "rest", "match": {"host": "a.example"}, "require": "signed_in"},
]


@pytest.mark.parametrize(
    ("request_line", "near"),
    [
        ("GET /tasks/1", "method POST is not GET"),
        ("POST /Tasks/1/2", "path /tasks/* is not /Tasks/1/2"),
        ("GET /helthz", "path /healthz is not /helthz"),
        ("GET /unrelated", "host a.example is not localhost"),
    ],
)
def test_of_200_policies_the_nearest_are_shown_and_the_others_counted(
    tmp_path: Path, request_line: str, near: str
) -> None:
    shown = explain(write(tmp_path, MANY), "", "--policy", *request_line.split(), code=1).stdout
    assert near in shown
    assert "more that do not match: --json lists all" in shown
    assert len(shown.splitlines()) < 12


def test_a_method_may_have_a_hyphen(tmp_path: Path) -> None:
    config = write(tmp_path, [{"name": "search", "match": {"methods": "M-SEARCH"}, "require": "signed_in"}])
    assert explain(config, "", "--policy", "M-SEARCH", "/", code=0).stdout.startswith("POLICY  search")


def test_of_200_policies_that_all_are_near_a_few_are_shown_and_the_match_comes_last(tmp_path: Path) -> None:
    policies = [{"name": f"p{n}", "match": {"path": f"/api/{n}"}, "require": "signed_in"} for n in range(200)]
    config = write(tmp_path, policies)
    lines = explain(config, "", "--policy", "GET", "/api/199", code=0).stdout.splitlines()
    shown = lines[: next(i for i, line in enumerate(lines) if "asks for" in line)]
    assert shown[-2:] == [
        "                 … and 187 more that do not match: --json lists all",
        "                 p199  matches: path /api/199",
    ]
    assert len(shown) == 15
    assert len(json.loads(explain(config, "", "--policy", "GET", "/api/199", "--json").stdout)["policies"]) == 200


def test_a_path_from_outside_cannot_alter_the_terminal(config: Path) -> None:
    shown = explain(config, f"curl 'https://app.example.com/\u202e{'x' * 500}'", code=1).stdout
    assert "\u202e" not in shown
    (line,) = (line for line in shown.splitlines() if " health " in line)
    assert line.endswith("xxx…")
    assert len(line) < 140


# -- rules -----------------------------------------------------------------------------------------------------------


def test_each_rule_has_its_truth_and_both_values(config: Path) -> None:
    shown = explain(config, curl("/admin/users", roles=["member", "staff"]), code=1).stdout
    assert shown.startswith("REFUSED  forbidden: ")
    assert (
        "  ✗ rules        false    all of:\n"
        "                 false      roles.any_of: expected admin, root; actual member, staff\n"
        "                 unknown    session.impersonated: expected false; actual nothing that says so\n"
    ) in shown


def test_combinations_are_a_tree(config: Path) -> None:
    token = {"email": "ada@example.org", "email_verified": True, "acr": "gold", "tenant": {"plan": 1}}
    shown = explain(config, curl("/reports", **token), code=1).stdout
    (tree,) = (shown[shown.index("✗ rules") :].partition("  → ")[0],)
    assert [line.strip() for line in tree.splitlines()] == [
        "✗ rules        false    all of:",
        "false      any of:",
        "false        email.domain: expected a verified address of example.com; actual ada@example.org",
        "false        all of:",
        "true           acr.any_of: expected gold; actual gold",
        "false          claims.tenant.plan.none_of: expected free, 1; actual 1",
        "true       not:",
        "false        subject.any_of: expected mallory; actual user-1",
    ]


def test_rules_that_hold_are_shown_too(config: Path) -> None:
    shown = explain(config, curl("/pay", auth_time=NOW - 5), code=0).stdout
    assert "  ✓ rules        true     authenticated_within_seconds: expected at most 60; actual 5\n" in shown


def test_json_has_the_values_of_each_rule(config: Path) -> None:
    decision = explained(config, curl("/admin/", roles=["root"]))
    (rules,) = (check for check in decision["checks"] if check["name"] == "rules")
    assert rules["rule"] == {
        "name": "all",
        "truth": "unknown",
        "parts": [
            {"name": "roles.any_of", "truth": "true", "expected": ["admin", "root"], "actual": ["root"]},
            {"name": "session.impersonated", "truth": "unknown", "expected": False, "actual": None},
        ],
    }
    assert all("rule" not in check for check in decision["checks"] if check is not rules)
    decision = explained(config, curl("/reports", tenant={"plan": {"deep": ["er"]}}))
    (rules,) = (check for check in decision["checks"] if check["name"] == "rules")
    email, other = rules["rule"]["parts"][0]["parts"]
    assert email["expected"] == {"domain": ["example.com"], "verified": True}
    assert other["parts"][1]["actual"] == {"deep": ["er"]}


def test_the_challenge_of_a_refusal_is_shown(config: Path) -> None:
    post = curl("/tasks", "-X POST", scope="r")
    shown = explain(config, post, code=1).stdout
    assert shown.startswith("REFUSED  insufficient_scope: ")
    assert "→ The client is asked for a token with the scopes w r.\n" in shown
    assert explained(config, post)["challenge"] == {"scopes": ["w", "r"], "answer": "problem"}
    old = curl("/pay", auth_time=NOW - 61)
    assert "→ The user has to sign in again. A sign-in counts for 60 seconds.\n" in explain(config, old, code=1).stdout
    assert explained(config, old)["challenge"] == {"max_age": 60, "answer": "problem"}
    assert explained(config, curl("/healthz"))["challenge"] == {}


LOGIN = "https://app.example.com/in"
BROWSER = "-H 'Sec-Fetch-Mode: navigate'"
SENT_BACK = f"{LOGIN}?return_to=https%3A%2F%2Fapp.example.com%2Fx%3Fa%3D1"
# The arguments of curl, the policy's login_url, what the text says, and a part of the challenge.
ANSWERS: list[tuple[str, str | None, str, dict[str, Any]]] = [
    (f"{BROWSER} URL", LOGIN, f"→ The browser is redirected to {SENT_BACK}\n", {"location": SENT_BACK}),
    (f"-X POST {BROWSER} URL", LOGIN, '→ The browser sees the page "Please sign in".\n', {"answer": "page"}),
    (f"{BROWSER} URL", None, '→ The browser sees the page "Please sign in".\n', {"answer": "page"}),
    (f"{BROWSER} {LOGIN}", LOGIN, 'the page "The sign-in page is not available".\n', {"answer": "loop page"}),
    ("-H 'Accept: application/json' URL", LOGIN, "→ The client gets problem details: ", {"answer": "problem"}),
    (
        "-H 'Accept: */*' -H 'Origin: https://web.example.com' URL",
        LOGIN,
        "→ Pages of https://web.example.com may read the answer (cors).\n",
        {"allowed_origin": "https://web.example.com"},
    ),
]


@pytest.mark.parametrize(("arguments", "login_url", "text", "part"), ANSWERS)
def test_a_refusal_shows_what_the_client_gets(
    tmp_path: Path, arguments: str, login_url: str | None, text: str, part: dict[str, Any]
) -> None:
    cors = {"allowed_origins": ["https://web.example.com"]}
    config = write(tmp_path, [{"name": "p", "require": "signed_in", "login_url": login_url, "cors": cors}])
    pasted = "curl " + arguments.replace("URL", "'https://app.example.com/x?a=1'")
    assert text in explain(config, pasted, code=1).stdout
    challenge = explained(config, pasted)["challenge"]
    assert part.items() <= challenge.items()
    assert ("page" in challenge) is ("page" in challenge["answer"])


def test_without_a_sign_in_page_nothing_is_said_to_a_program(tmp_path: Path) -> None:
    config = write(tmp_path, [{"name": "p", "require": "signed_in"}])
    assert "problem details" not in explain(config, "curl https://app.example.com/x", code=1).stdout


def test_an_unreadable_request_of_a_browser_gets_a_page(tmp_path: Path) -> None:
    config = write(tmp_path, [{"name": "p", "require": "signed_in"}])
    file = tmp_path / "request.json"
    file.write_text(json.dumps({"method": "GET", "url": "/a b", "headers": {"Sec-Fetch-Mode": "navigate"}}))
    shown = explain(config, "", "--request", file, code=1).stdout
    assert '→ The browser sees the page "This request was blocked".\n' in shown


def test_another_users_segment_shows_both_values(config: Path) -> None:
    shown = explain(config, curl("/files/user-2"), code=1).stdout
    assert "  ✗ rules        false    {subject}: expected user-2; actual user-1\n" in shown


@pytest.mark.parametrize(("url", "policy"), [("/healthz", "health"), ("/", "home")])
def test_an_anonymous_request_is_said_to_be_one(config: Path, url: str, policy: str) -> None:
    shown = explain(config, url, code=0).stdout
    assert shown.startswith("ALLOWED  anonymous: the identity headers are empty\n")
    decision = explained(config, url)
    assert (decision["policy"], decision["anonymous"]) == (policy, True)
    assert set(decision["headers"].values()) == {""}
    assert explained(config, curl("/"))["anonymous"] is False


def test_values_of_rules_are_shown_and_nothing_else_of_the_token(config: Path) -> None:
    token = curl("/reports/1", canary="canary", tenant={"plan": "free", "secret": "canary"}, acr="gold")
    for arguments in ((), ("--json",)):
        shown = explain(config, token, *arguments, code=1).stdout
        assert "free" in shown
        assert "canary" not in shown
        assert "eyJ" not in shown


# -- --policy METHOD URL ---------------------------------------------------------------------------------------------


def test_policy_shows_what_a_request_meets_without_a_token(config: Path) -> None:
    assert explain(config, "", "--policy", "GET", "https://app.example.com/admin/users?q=1", code=0).stdout == (
        "POLICY  admin\n"
        "  looked at      health  path /healthz is not /admin/users\n"
        "                 admin   matches: host app.example.com; path /admin/**\n"
        "  asks for       a signed-in user\n"
        "                 roles any_of admin, root\n"
        "                 not impersonated\n"
        "  headers        X-User-Id: subject\n"
        "                 X-User-Email: email\n"
        "                 X-User-Name: name\n"
        "                 X-User-Roles: roles\n"
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("GET /healthz", "asks for       nothing: the policy is public, and no credential is read\n"),
        ("HEAD /", "asks for       nothing, but a good credential counts\n"),
        ("GET /files/ada%40b/c", '                 subject "ada@b", as in the path\n'),
        ("GET /reports", "                 X-Plan: claims.tenant.plan\n"),
        ("GET /office", "client 10.0.0.0/8"),
    ],
)
def test_policy_says_what_is_asked_for(config: Path, asked: str, said: str) -> None:
    shown = explain(config, "", "--policy", *asked.split(), "--client", "10.0.0.1", code=0).stdout
    assert said in shown.replace("ada@b,", '"ada@b",')


def test_policy_prints_json(config: Path) -> None:
    answer = json.loads(explain(config, "", "--json", "--policy", "GET", "/files/ada", code=0).stdout)
    assert [policy["name"] for policy in answer.pop("policies")] == ["health", "admin", "own-files"]
    headers = {"X-User-Id": "subject", "X-User-Email": "email", "X-User-Name": "name", "X-User-Roles": "roles"}
    assert answer == {
        "policy": "own-files",
        "access": "require",
        "asks": ["subject ada, as in the path"],
        "headers": {**headers, "X-Plan": None},
    }
    answer = json.loads(explain(config, "", "--json", "--policy", "GET", "/nowhere", code=1).stdout)
    assert (answer["outcome"], answer["reason"]) == ("deny", "no_policy")
    assert len(answer["policies"]) == len(POLICIES)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("/nowhere", "✗ policy       no policy matches"),
        ("/a/../admin", "it has a dot segment"),
        ("/a;b", "semicolon"),
        ("https://[/x", "is not a host name"),
        ("/office", "matches by client"),
    ],
)
def test_policy_says_why_no_policy_decides(config: Path, url: str, why: str) -> None:
    shown = explain(config, "", "--policy", "GET", url, code=1).stdout
    assert shown.startswith("REFUSED  ")
    assert why in shown


def test_policy_needs_no_key_and_asks_no_issuer(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    issuer = {"name": "app", "preset": "jwt", "jwks_url": "https://nowhere.invalid/jwks", "audiences": "any"}
    path.write_text(yaml.safe_dump({"issuers": [issuer], "policies": POLICIES}))
    assert "nowhere.invalid" not in explain(path, "", "--policy", "GET", "/healthz", code=0).stdout


TOKEN = mint(claims(aud="tasks"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--policy", TOKEN, "/"],
        ["--policy", "GET", TOKEN],
        ["--policy", "get", "/"],
        ["--policy", "GET"],
        ["--policy", "GET", "/", "--request", "r.json"],
        ["--policy", "GET", "/", TOKEN],
        ["--client", TOKEN],
    ],
    ids=["method", "url", "lower case", "one", "two requests", "three", "client"],
)
def test_a_wrong_use_is_told_without_quoting_it(config: Path, arguments: list[str]) -> None:
    ended = commands.authgate("explain", "--config", config, *arguments, environ=ENVIRON)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert TOKEN[:20] not in ended.stderr
