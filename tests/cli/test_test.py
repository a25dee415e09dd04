"""`authgate test FILE`: the policies against a file of expectations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.cli.test_explain_policies import POLICIES
from tests.support import commands
from tests.support.processes import ROOT
from tests.support.tokens import NOW, OTHER_SECRET, SECRET, claims, mint

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

TOKEN = mint(claims(aud="tasks", roles=["admin"], act={"sub": "eve"}))
ENVIRON = {"TOKEN_SECRET": SECRET.decode(), "BETTER_AUTH_SECRET": OTHER_SECRET.decode()}
EXAMPLE = ROOT / "docs" / "policies"

Case = dict[str, Any]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    issuers = [
        {"name": "app", "preset": "jwt", "secret_env": "TOKEN_SECRET", "issuer": "https://i", "audiences": ["tasks"]},
        {"name": "site", "preset": "better-auth", "secret_env": "BETTER_AUTH_SECRET", "subject_prefix": "site:"},
    ]
    path = tmp_path / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": issuers, "policies": POLICIES}))
    return path


def run(config: Path, cases: object, *arguments: object) -> subprocess.CompletedProcess[str]:
    file = config.parent / "tests.yaml"
    file.write_text(cases if isinstance(cases, str) else yaml.safe_dump(cases))
    ended = commands.authgate("test", "--config", config, file, *arguments, environ=ENVIRON)
    assert "Traceback" not in ended.stderr
    return ended


def failures(config: Path, *cases: Case) -> list[str]:
    """Return what is wrong with each case, "" if it passes."""
    ended = run(config, list(cases), "--json")
    results = json.loads(ended.stdout)
    assert ended.returncode == (1 if results["failed"] else 0)
    assert results["passed"] + results["failed"] == len(cases)
    return [case["failure"] for case in results["cases"]]


def mistakes(config: Path, cases: object) -> str:
    ended = run(config, cases)
    assert (ended.returncode, ended.stdout) == (2, "")
    return ended.stderr


# -- what passes -----------------------------------------------------------------------------------------------------

ADA = {"subject": "ada", "issuer": "site", "roles": ["root"]}
ADMIN = "GET https://app.example.com/admin/"
PASSING: list[Case] = [
    {"request": "GET /healthz", "expect": "allow"},
    {"request": "PUT /healthz", "expect": {"outcome": "allow", "policy": "health", "headers": {"x-user-id": ""}}},
    {"request": "GET /elsewhere", "expect": {"outcome": "deny", "reason": "no_policy"}},
    {"request": "GET /a%2fb", "expect": {"outcome": "deny", "reason": "ambiguous_path"}},
    {"request": {"url": "/a b"}, "expect": {"outcome": "deny", "reason": "unreadable_request"}},
    {"request": ADMIN, "expect": {"outcome": "deny", "reason": "no_credential"}},
    {"request": ADMIN, "identity": ADA, "expect": {"outcome": "allow", "headers": {"X-User-Roles": "root"}}},
    {"request": ADMIN, "identity": ADA | {"issuer": "app"}, "expect": {"outcome": "deny", "reason": "forbidden"}},
    {"request": ADMIN, "identity": ADA | {"issuer": "app", "impersonated_by": None}, "expect": "allow"},
    {"request": ADMIN, "identity": ADA | {"impersonated_by": "eve"}, "expect": "deny"},
    {"request": ADMIN, "identity": ADA | {"unknown": "impersonated_by"}, "expect": "deny"},
    {"request": ADMIN, "identity": ADA | {"is_banned": True}, "expect": {"outcome": "deny", "reason": "banned_user"}},
    {"request": "GET /files/ada", "identity": {"subject": "ada"}, "expect": "allow"},
    {"request": "GET /files/Ada", "identity": {"subject": "ada"}, "expect": "deny"},
    {"request": "POST /tasks", "identity": {"subject": "a", "scopes": ["r", "w"]}, "expect": "allow"},
    {
        "request": "POST /tasks",
        "identity": {"subject": "a", "scopes": "r"},
        "expect": {"outcome": "deny", "reason": "insufficient_scope"},
    },
    {
        "request": {"method": "POST", "url": "/tasks", "headers": {"Origin": "https://evil.example"}},
        "identity": {"subject": "a", "scopes": ["r", "w"]},
        "expect": {"outcome": "deny", "reason": "csrf"},
    },
    {"request": "GET /pay", "identity": {"subject": "a", "authenticated_at": NOW}, "at": NOW + 60, "expect": "allow"},
    {"request": "GET /pay", "identity": {"subject": "a", "authenticated_at": NOW}, "at": NOW + 61, "expect": "deny"},
    {"request": "GET /pay", "identity": {"subject": "a"}, "at": NOW, "expect": "deny"},
    {
        "request": "GET /reports",
        "identity": {"subject": "a", "acr": "gold", "claims": {"tenant": {"plan": "pro"}}},
        "expect": {"outcome": "allow", "headers": {"X-Plan": "pro"}},
    },
    {"request": {"url": "/office", "client_ip": "10.0.0.1"}, "identity": {"subject": "a"}, "expect": "allow"},
    {"request": {"url": "/office", "client_ip": "::1"}, "identity": {"subject": "a"}, "expect": "deny"},
    {"request": "GET /", "identity": {"subject": "a"}, "expect": {"outcome": "allow", "headers": {"X-User-Id": "a"}}},
]


def test_what_is_expected_passes_without_a_word(config: Path) -> None:
    assert failures(config, *PASSING) == [""] * len(PASSING)
    ended = run(config, PASSING)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{len(PASSING)} passed\n", "")


def test_each_of_them_fails_if_the_other_outcome_is_expected(config: Path) -> None:
    opposite = {"allow": "deny", "deny": "allow"}
    cases = [
        case | {"expect": opposite[case["expect"] if isinstance(case["expect"], str) else case["expect"]["outcome"]]}
        for case in PASSING
        if "unreadable" not in str(case)
    ]
    assert all(failures(config, *cases))


def test_the_keys_of_the_configuration_verify_tokens(config: Path) -> None:
    forbidden = {"outcome": "deny", "reason": "forbidden", "policy": "admin"}
    token = mint(claims(aud="tasks", iss="https://i", act={"sub": "eve"}, roles=["admin"]))
    (config.parent / "token").write_text(f"Bearer {token}\n")
    cookie = {"url": "/files/user-1", "headers": {"Cookie": [f"access_token={token}"]}}
    foreign = mint(claims(aud="tasks", iss="https://i"), key=OTHER_SECRET)
    cases: list[Case] = [
        {"request": ADMIN, "token": token, "expect": forbidden},
        {"request": ADMIN, "token_file": "token", "expect": forbidden},
        {"request": cookie, "expect": {"outcome": "allow", "headers": {"X-User-Id": "user-1"}}},
        {"request": ADMIN, "token": foreign, "expect": {"outcome": "deny", "reason": "bad_signature"}},
        {"request": ADMIN, "token": token, "expect": {"outcome": "deny", "reason": "expired"}, "at": NOW + 90_000},
    ]
    assert failures(config, *(case | {"at": case.get("at", NOW)} for case in cases)) == [""] * len(cases)


def test_an_outage_does_not_pass_for_a_policy_that_refuses(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    issuer = {"name": "app", "preset": "jwt", "jwks_url": "https://127.0.0.1:9/jwks", "audiences": "any"}
    path.write_text(yaml.safe_dump({"issuers": [issuer], "policies": POLICIES}))
    case = {"request": "GET /files/a", "token": TOKEN, "at": NOW}
    assert "keys_unavailable" in failures(path, case | {"expect": "deny"})[0]
    assert failures(path, case | {"expect": {"outcome": "deny", "reason": "keys_unavailable"}}) == [""]


def test_no_key_is_loaded_if_no_case_has_a_token(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    issuer = {"name": "app", "preset": "jwt", "jwks_url": "https://127.0.0.1:9/jwks", "audiences": "any"}
    path.write_text(yaml.safe_dump({"issuers": [issuer], "policies": POLICIES}))
    request = {"url": "/healthz", "headers": {"Accept": "*/*"}}
    ended = run(path, [{"request": request, "expect": "allow"}])
    assert (ended.returncode, ended.stderr) == (0, "")


def test_without_policies_everybody_who_is_signed_in_passes(tmp_path: Path) -> None:
    (tmp_path / "tests.yaml").write_text("- {request: GET /, expect: {outcome: deny, policy: default}}")
    ended = commands.authgate("test", tmp_path / "tests.yaml")
    assert (ended.returncode, ended.stdout) == (0, "1 passed\n")


# -- what fails ------------------------------------------------------------------------------------------------------


def test_an_identity_counts_as_a_cookie_if_a_proxy_in_front_fills_the_header_from_one(tmp_path: Path) -> None:
    request = {"method": "POST", "url": "/tasks", "headers": {"Origin": "https://evil.example"}}
    issuer = {"name": "app", "preset": "jwt", "secret_env": "TOKEN_SECRET", "audiences": ["tasks"]}
    path = tmp_path / "authgate.yaml"
    for header, expect in (("Cf-Access-Jwt-Assertion", {"outcome": "deny", "reason": "csrf"}), ("X-Token", "allow")):
        path.write_text(yaml.safe_dump({"issuers": [issuer], "credentials": [{"header": header}]}))
        assert failures(path, {"request": request, "identity": {"subject": "a"}, "expect": expect}) == [""]


def test_a_failure_has_both_sides_the_rule_and_how_to_look_closer(config: Path) -> None:
    cases = [
        {"name": "members", "request": f"{ADMIN}x?q=canary", "identity": ADA | {"roles": "member"}, "expect": "allow"},
        {"request": "GET /healthz", "expect": "allow"},
        {
            "request": {"method": "DELETE", "url": "/office?token=canary", "client_ip": "10.0.0.1"},
            "identity": ADA,
            "expect": {"outcome": "deny", "reason": "forbidden", "policy": "home"},
        },
    ]
    ended = run(config, cases)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.splitlines() == [
        (
            "✗ case 1 (members): expected allow; got deny with reason forbidden by policy admin "
            "(roles.any_of is false: expected admin, root; actual member)"
        ),
        f"    → authgate explain --config {config} --policy GET https://app.example.com/admin/x",
        (
            "✗ case 3 (DELETE /office?token=canary): expected deny with reason forbidden by policy home; "
            "got allow by policy office"
        ),
        f"    → authgate explain --config {config} --client 10.0.0.1 --policy DELETE http://localhost/office",
        "",
        "--explain shows every check of the cases that failed.",
        "1 passed, 2 failed",
    ]


@pytest.mark.parametrize(
    ("case", "failure"),
    [
        ({"request": "GET /", "expect": "deny"}, "expected deny; got allow by policy home, anonymous"),
        (
            {"request": "GET /", "identity": ADA, "expect": {"outcome": "allow", "headers": {"X-User-Id": "b"}}},
            "header X-User-Id: expected 'b'; got 'site:ada'",
        ),
        (
            {"request": "GET /x", "expect": "allow"},
            "expected allow; got deny with reason no_policy (no policy matches)",
        ),
        (
            {"request": "GET /reports", "identity": {"subject": "a"}, "expect": "allow"},
            "expected allow; got deny with reason forbidden by policy reports (any is unknown)",
        ),
        (
            {"request": "GET /files/b", "identity": {"subject": "a"}, "expect": {"outcome": "deny", "reason": "csrf"}},
            (
                "expected deny with reason csrf; got deny with reason forbidden by policy own-files "
                "({subject} is false: expected b; actual a)"
            ),
        ),
    ],
)
def test_what_is_not_as_expected_is_said(config: Path, case: Case, failure: str) -> None:
    assert failures(config, case) == [failure]


BROWSER = {"Sec-Fetch-Mode": "navigate"}
# What is expected of a refused request of a browser or a program, with a login_url except under /api.
ANSWERS = {
    "redirect": {"url": "/x", "headers": BROWSER},
    "page": {"url": "/api/x", "headers": BROWSER},
    "loop page": {"url": "https://app.example.com/in", "headers": BROWSER},  # the sign-in page itself
    "problem": {"url": "/x"},
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_case_may_expect_how_a_refusal_reaches_the_client(tmp_path: Path, answer: str) -> None:
    config = tmp_path / "authgate.yaml"
    issuer = {"name": "app", "preset": "jwt", "secret_env": "TOKEN_SECRET", "audiences": ["tasks"]}
    policies = [
        {"name": "api", "match": {"path": "/api/**"}, "require": "signed_in", "login_url": None},
        {"name": "rest", "require": "signed_in"},
    ]
    settings = {"issuers": [issuer], "login_url": "https://app.example.com/in", "policies": policies}
    config.write_text(yaml.safe_dump(settings))
    passing, *others = failures(
        config,
        *(
            {"request": ANSWERS[answer], "expect": {"outcome": "deny", "answer": each}}
            for each in sorted(ANSWERS, key=lambda each: each != answer)
        ),
    )
    assert passing == ""
    for failure in others:
        assert "expected deny, and the answer " in failure
        assert failure.endswith(f", and the answer {answer}")


def test_an_unreadable_request_of_a_browser_gets_a_page(config: Path) -> None:
    request = {"url": "/a b", "headers": BROWSER}
    expect = {"outcome": "deny", "reason": "unreadable_request", "answer": "page"}
    assert failures(config, {"request": request, "expect": expect}) == [""]


def test_explain_shows_every_check_of_what_failed(config: Path) -> None:
    case = {"request": ADMIN, "identity": ADA | {"roles": ["\x1b[31m"]}, "expect": "allow"}
    shown = run(config, [case, {"request": "GET /healthz", "expect": "allow"}], "--explain").stdout
    assert "    REFUSED  forbidden: " in shown
    assert "      ✗ rules        false    all of:\n" in shown
    assert "health" in shown
    assert "\x1b" not in shown
    assert shown.endswith("\n1 passed, 1 failed\n")


def test_json_has_the_decisions(config: Path) -> None:
    case = {"name": "n", "request": ADMIN, "identity": ADA, "expect": {"outcome": "deny", "reason": "csrf"}}
    (result,) = json.loads(run(config, [case], "--json").stdout)["cases"]
    assert (result["number"], result["name"], result["passed"]) == (1, "n", False)
    assert result["expected"] == {"outcome": "deny", "reason": "csrf"}
    assert (result["decision"]["outcome"], result["decision"]["policy"]) == ("allow", "admin")
    assert [check["name"] for check in result["decision"]["checks"]][-1] == "headers"


# -- files that cannot be used ---------------------------------------------------------------------------------------

GOOD = {"request": "GET /", "expect": "allow"}
MISTAKES: list[tuple[object, str]] = [
    (GOOD | {"requests": 1}, "case 1, requests: is not a setting\n      → did you mean request?"),
    ("GET /", "case 1: is text, not a mapping"),
    ({"request": "GET /"}, "case 1, expect: is missing\n      → add it; docs/policy-tests.md"),
    ({"expect": "allow"}, "case 1, request: is missing"),
    (GOOD | {"name": "n", "expect": "allows"}, "case 1 (n), expect.outcome: 'allows' is not an allowed value"),
    (GOOD | {"expect": {"outcome": "deny", "reason": "forbid"}}, "did you mean forbidden?"),
    (GOOD | {"expect": {"outcome": "allow", "reason": "forbidden"}}, "expect.reason: is for refusals"),
    (GOOD | {"expect": {"outcome": "allow", "answer": "page"}}, "expect.answer: is for refusals"),
    (GOOD | {"expect": {"outcome": "deny", "answer": "pages"}}, "expect.answer: 'pages' is not an allowed value"),
    (GOOD | {"expect": {"outcome": "deny", "headers": {"X-User-Id": "a"}}}, "expect.headers: are for allowed requests"),
    (GOOD | {"expect": {"outcome": "allow", "policy": "hom"}}, "'hom' is not a policy\n      → did you mean home?"),
    (GOOD | {"expect": {"outcome": "allow", "headers": {"X-User": "a"}}}, "did you mean X-User-Id?"),
    (GOOD | {"expect": {"outcome": "allow", "headers": {"X-User-Id": 5}}}, "expect.headers.X-User-Id: 5 is not text"),
    (GOOD | {"request": "/"}, "case 1, request: is not a method and a URL: write GET /healthz"),
    (GOOD | {"request": "get /"}, "case 1, request: cannot be read: the method 'get'"),
    (GOOD | {"request": "GET app.example.com/x", "expect": "deny"}, "is not an absolute URL"),
    (GOOD | {"request": {"url": "/", "client_ip": "10.0.0"}}, "request.client_ip: '10.0.0' is not an address"),
    (GOOD | {"request": {"url": "/", "headers": {"A b": "c"}}}, "cannot be a name of a header"),
    (GOOD | {"request": {"url": "/", "headers": {":stated-identity": "0"}}}, "cannot be a name of a header"),
    (GOOD | {"identity": {"roles": ["a"]}}, "identity.subject: is missing"),
    (GOOD | {"identity": {"subject": 5}}, "identity.subject: 5 is not text"),
    (GOOD | {"identity": {"subject": ""}}, "identity.subject: is empty"),
    (GOOD | {"identity": {"subject": "a", "role": "b"}}, "did you mean roles?"),
    (GOOD | {"identity": {"subject": "a", "roles": [1]}}, "identity.roles[0]: 1 is not text"),
    (GOOD | {"identity": {"subject": "a", "is_banned": "no"}}, "identity.is_banned: 'no' is neither true nor false"),
    (GOOD | {"identity": {"subject": "a", "issued_at": True}}, "identity.issued_at: true is not a number"),
    (GOOD | {"identity": {"subject": "a", "issued_at": "soon"}}, "identity.issued_at: 'soon' is not a number"),
    (GOOD | {"identity": {"subject": "a", "key": "x"}}, "identity.key: is not a setting"),
    (GOOD | {"identity": {"subject": "a", "issuer": "ap"}}, "'ap' is not an issuer\n      → did you mean app?"),
    (GOOD | {"identity": {"subject": "a", "format": "jwe"}}, "'jwe' is not a format of issuer app"),
    (GOOD | {"identity": ADA | {"scopes": "a"}}, "identity.scopes: is a field that no credential of issuer site"),
    (GOOD | {"identity": ADA | {"unknown": "role"}}, "did you mean roles?"),
    (GOOD | {"identity": ADA | {"unknown": "roles"}}, "identity.unknown: names roles, which the identity states"),
    (GOOD | {"identity": ADA, "token": TOKEN}, "case 1: has identity and token"),
    (GOOD | {"token": f"{TOKEN} x"}, "token: is not one token (not shown)"),
    (GOOD | {"token": [TOKEN]}, "case 1, token: is a list"),
    (GOOD | {"token_file": "nowhere"}, "token_file: cannot be read: No such file"),
    (
        GOOD | {"token": TOKEN, "request": {"url": "/", "headers": {"authorization": "Bearer x"}}},
        "request.headers: has Authorization, and the case has a token",
    ),
    (GOOD | {"at": "now"}, "case 1, at: 'now' is not a number"),
    (GOOD | {"at": float("inf")}, "case 1, at: "),
]


def test_every_mistake_is_reported_at_once_with_its_case_and_a_fix(config: Path) -> None:
    shown = mistakes(config, [case for case, _ in MISTAKES])
    assert TOKEN[:20] not in shown
    parts = shown.split("\n  case ")[1:]
    for number, (_, expected) in enumerate(MISTAKES, start=1):
        text = "".join(
            f"case {part}\n" for part in parts if part.startswith((f"{number},", f"{number}:", f"{number} "))
        )
        assert expected.replace("case 1", f"case {number}") in text
        assert "      → " in text
    assert shown.startswith(f"The file of cases has {len(parts)} mistakes.\n")


# Each line has the line above it 40 times.
ALIASES = "- &a0 [x]\n" + "".join(f"- &a{n + 1} [{f'*a{n},' * 40}]\n" for n in range(5))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "is not a list of cases"),
        ("[]", "has no case"),
        ("{request: GET /}", "is not a list of cases"),
        ("- {request: GET /, request: GET /x, expect: allow}", "the key 'request' occurs twice"),
        ("- {request: GET /", "is not valid YAML: line 1"),
        ("- !!python/object:os.system {}", "is not valid YAML"),
        ("- {request: GET /, expect: allow, identity: {subject: a, claims: {1: a}}}", "identity.claims"),
        ("[" + "a," * 10_001 + "]", "has 10,001 cases; at most 10,000 are allowed"),
        ("- " + "x" * 1024 * 1024, "cannot be read: it is longer than"),
        (ALIASES, "the document has more than 100000 values"),
        ("- &a [*a]", "an alias is within the value that it stands for"),
        ("\udcff", "cannot be read"),
    ],
    ids=[
        *("nothing", "empty", "mapping", "twice", "broken", "tag", "key", "many", "long", "aliases", "loop"),
        "bytes",
    ],
)
def test_a_file_that_cannot_be_used_is_said_to_be_so(config: Path, content: str, expected: str) -> None:
    file = config.parent / "tests.yaml"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    ended = commands.authgate("test", "--config", config, file, environ=ENVIRON)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert expected in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_token_instead_of_a_file_is_not_shown(config: Path) -> None:
    ended = commands.authgate("test", "--config", config, TOKEN, environ=ENVIRON)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert TOKEN[:20] not in ended.stderr


def test_an_invalid_configuration_is_78_whatever_the_file_is(config: Path) -> None:
    config.write_text("policies: []")
    assert run(config, [GOOD]).returncode == 78


def test_no_token_is_printed_whatever_fails(config: Path) -> None:
    case = {"request": ADMIN, "token": TOKEN, "expect": "allow", "at": NOW}
    cookie = {"url": "/files/x", "headers": {"Cookie": f"access_token={TOKEN}"}}
    for arguments in ([], ["--explain"], ["--json"]):
        ended = run(config, [case, case | {"request": cookie, "token": None}], *arguments)
        assert ended.returncode == 1
        assert TOKEN.split(".")[1] not in ended.stdout + ended.stderr
        assert SECRET.decode() not in ended.stdout + ended.stderr


# -- the documentation -----------------------------------------------------------------------------------------------


def test_the_example_of_the_documentation_passes() -> None:
    ended = commands.authgate("test", "--config", EXAMPLE / "authgate.yaml", EXAMPLE / "tests.yaml", environ=ENVIRON)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith(" passed\n")


def test_the_example_on_the_page_prints_what_it_shows(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "policy-tests.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "tests.yaml").write_text(example)
    shown = page.partition("$ authgate test --config authgate.yaml tests.yaml\n")[2].partition("```")[0]
    ended = commands.authgate("test", "--config", EXAMPLE / "authgate.yaml", tmp_path / "tests.yaml", environ=ENVIRON)
    assert (ended.returncode, ended.stdout) == (0, shown)
