"""The sign-in pages of a configuration: where browsers are sent and may return to, and pages that nobody can open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate import wiring
from authgate.config.load import load
from authgate.core.decision import Allow, Deny
from tests.support.deciding import decide_now, request_with
from tests.support.rejections import GOOD, assert_only, jwt_file, rejected

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.app import Prepared
    from authgate.core.sign_in import SignIn

PAGE = "https://app.example.com/sign-in"
SIGNED_IN = {"name": "all", "require": "signed_in"}
OF_HOST = {**SIGNED_IN, "match": {"host": "app.example.com"}}
PUBLIC = {"name": "in", "match": {"host": "app.example.com", "path": "/sign-in"}, "public": True}
PRIVATE_NETWORK = {"client": "10.0.0.0/8"}


def prepared(folder: Path, *, environ: dict[str, str] | None = None, **settings: Any) -> Prepared:
    loaded = load(str(jwt_file(folder, {"secret": GOOD}, **settings)), environ or {})
    return wiring.prepare(loaded)


def pages(made: Prepared) -> list[SignIn | None]:
    return [policy.sign_in for policy in made.snapshot.policies.policies]


def page(folder: Path, **settings: Any) -> SignIn:
    (made, *_) = pages(prepared(folder, **settings))
    assert made is not None
    return made


def about_sign_in(made: Prepared) -> list[str]:
    return [warning for warning in made.warnings if "sign-in page" in warning]


def test_without_a_login_url_nobody_is_redirected(tmp_path: Path) -> None:
    assert pages(prepared(tmp_path)) == [None]
    assert pages(prepared(tmp_path, policies=[SIGNED_IN])) == [None]


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (PAGE, ("app.example.com", None, "/sign-in")),
        ("https://APP.example.com:443/sign-in?a=b", ("app.example.com", None, "/sign-in")),
        ("http://localhost:3000", ("localhost", 3000, "/")),
        ("http://app.example.com:80?view=in", ("app.example.com", None, "/")),
        ("https://app.example.com:80/", ("app.example.com", 80, "/")),
        ("https://[0::1]:8443/in", ("[::1]", 8443, "/in")),
    ],
)
def test_the_parts_of_the_address_are_those_that_a_browser_asks_for(
    url: str, parts: tuple[str, int | None, str], tmp_path: Path
) -> None:
    made = page(tmp_path, login_url=url)
    assert (made.url, (made.host, made.port, made.path)) == (url, parts)
    assert made.parameter == "return_to"
    assert made.data == frozenset()


def test_the_default_hosts_to_return_to_are_those_that_the_configuration_names(tmp_path: Path) -> None:
    issuer = {"name": "web", "preset": "better-auth", "secret": GOOD, "url": "https://web.example.com:8443"}
    policies = [
        {**SIGNED_IN, "name": "a", "match": {"host": ["a.example.com", "*.b.example.com"], "path": "/a"}},
        {**SIGNED_IN, "name": "b", "match": {"host": "c.example.com"}, "login_url": "http://id.example.com:8080/in"},
        {**SIGNED_IN, "name": "c"},
    ]
    path = jwt_file(tmp_path, issuer | {"audiences": None}, login_url=PAGE, policies=policies)
    made = [*pages(wiring.prepare(load(str(path), {})))]
    assert all(one is not None for one in made)
    hosts = {("app.example.com", None), ("id.example.com", 8080), ("web.example.com", 8443)}
    hosts |= {("a.example.com", None), ("c.example.com", None)}
    assert [one.return_hosts for one in made if one] == [hosts] * 3


def test_the_configured_hosts_replace_the_default_ones(tmp_path: Path) -> None:
    listed = ["a.example.com", "b.example.com:8443", "c.example.com:443", "d.example.com:80"]
    made = page(tmp_path, login_url=PAGE, return_hosts=listed, return_parameter="rd")
    assert made.return_hosts == {
        ("a.example.com", None),
        ("b.example.com", 8443),
        ("c.example.com", None),
        ("d.example.com", None),
    }
    assert made.parameter == "rd"


def test_what_is_data_in_paths_is_data_in_return_addresses(tmp_path: Path) -> None:
    made = page(tmp_path, login_url=PAGE, paths={"encoded_slash": "data"}, policies=[SIGNED_IN])
    assert made.data == {"encoded_slash"}


def test_each_policy_may_have_its_own_page_or_none(tmp_path: Path) -> None:
    policies = [
        {**SIGNED_IN, "name": "api", "match": {"path": "/api/**"}, "login_url": None},
        {**SIGNED_IN, "name": "shop", "match": {"path": "/shop/**"}, "login_url": "https://shop.example.com/in"},
        {**SIGNED_IN, "name": "rest"},
    ]
    made = prepared(tmp_path, login_url=PAGE, policies=policies)
    assert [one and one.url for one in pages(made)] == [None, "https://shop.example.com/in", PAGE]
    answers = []
    for path in ("/api/a", "/shop/a", "/a"):
        decision = decide_now(request_with(("Sec-Fetch-Mode", "navigate"), url_path=path), made.snapshot)
        assert isinstance(decision, Deny)
        answers.append((decision.challenge.delivery, decision.challenge.location.partition("?")[0]))
    assert answers == [("page", ""), ("redirect", "https://shop.example.com/in"), ("redirect", PAGE)]


def test_the_environment_may_name_the_page(tmp_path: Path) -> None:
    made = prepared(tmp_path, environ={"AUTHGATE_LOGIN_URL": "https://id.example.com/in"}, login_url=PAGE)
    assert [one and one.url for one in pages(made)] == ["https://id.example.com/in"]
    assert_only(rejected(AUTHGATE_LOGIN_URL="/in", JWT_SECRET=GOOD), "login_url", "is not an absolute URL")


@pytest.mark.parametrize(
    "policies",
    [[OF_HOST], [{**OF_HOST, "match": {"host": ["a.example", "app.example.com"], "path": "/**"}}], [OF_HOST, PUBLIC]],
    ids=["host", "host and path", "the exception comes too late"],
)
@pytest.mark.parametrize("url", [PAGE, "https://APP.example.com:443/sign-in/?a=b", "http://app.example.com/Sign-In"])
def test_a_page_whose_host_a_policy_names_and_protects_is_refused(
    policies: list[dict[str, Any]], url: str, tmp_path: Path
) -> None:
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD}, login_url=url, policies=policies))
    assert_only(problems, "login_url", "the policy all names this host and requires a signed-in user")
    assert "before that policy, add {name: sign-in, match: {host: app.example.com, path: /" in problems[0].fix
    own = [{**policy, "login_url": url} for policy in policies if "require" in policy]
    assert_only(
        rejected(jwt_file(tmp_path, {"secret": GOOD}, policies=own)), "policies[0].login_url", "names this host"
    )


def test_the_fix_of_a_refused_page_is_a_policy_that_makes_it_load(tmp_path: Path) -> None:
    made = prepared(tmp_path, login_url=PAGE, policies=[PUBLIC, OF_HOST])
    assert about_sign_in(made) == []
    assert isinstance(decide_now(request_with(url_path="/sign-in?return_to=x"), made.snapshot), Allow)


# Policies, and whether a page that they protect is a warning.
PROTECTING: dict[str, tuple[list[dict[str, Any]] | None, bool]] = {
    "none configured": (None, True),
    "without a host": ([SIGNED_IN], True),
    "a wildcard": ([{**SIGNED_IN, "match": {"host": "*.example.com"}}], True),
    "by path": ([{**SIGNED_IN, "match": {"path": "/**"}}], True),
    "public before": ([PUBLIC, SIGNED_IN], False),
    "optional": ([{"name": "all", "optional": True}], False),
    "another host": ([{**SIGNED_IN, "match": {"host": "api.example.com"}}], False),
    "another path": ([{**SIGNED_IN, "match": {"path": "/api/**"}}], False),
    "another method": ([{**SIGNED_IN, "match": {"methods": ["POST"]}}], False),
    "by client": ([{**SIGNED_IN, "match": PRIVATE_NETWORK}], False),
}


@pytest.mark.parametrize(("policies", "is_warned"), PROTECTING.values(), ids=PROTECTING)
def test_a_page_that_a_policy_without_its_host_protects_is_a_warning(
    policies: list[dict[str, Any]] | None, *, is_warned: bool, tmp_path: Path
) -> None:
    made = prepared(tmp_path, login_url=PAGE, **({} if policies is None else {"policies": policies}))
    found = about_sign_in(made)
    assert len(found) == is_warned
    if found:
        assert found[0].startswith("login_url: the policy ")
        assert ("ask AuthGate about other paths only" in found[0]) is (policies is None)


def test_each_page_is_warned_of_once_with_the_setting_that_names_it(tmp_path: Path) -> None:
    policies = [
        {**SIGNED_IN, "name": "a", "match": {"path": "/a"}, "login_url": PAGE},
        {**SIGNED_IN, "name": "b", "login_url": "https://id.example.com/in"},
    ]
    found = about_sign_in(prepared(tmp_path, login_url=PAGE, policies=policies))
    assert [warning.partition(":")[0] for warning in found] == ["login_url", "policies[1].login_url"]


@pytest.mark.parametrize(("url", "parameter"), [(f"{PAGE}?return_to=/", "return_to"), (f"{PAGE}?a&r%64", "rd")])
def test_a_page_that_has_the_return_parameter_already_is_refused(url: str, parameter: str, tmp_path: Path) -> None:
    path = jwt_file(tmp_path, {"secret": GOOD}, login_url=url, return_parameter=parameter)
    assert_only(rejected(path), "login_url", f"has the parameter {parameter}, in which AuthGate gives")
    assert page(tmp_path, login_url=url, return_parameter="next").url == url


def test_a_login_url_of_a_public_policy_is_refused_and_null_is_not(tmp_path: Path) -> None:
    path = jwt_file(tmp_path, {"secret": GOOD}, policies=[{**PUBLIC, "login_url": PAGE}])
    assert_only(rejected(path), "policies[0].login_url", "has no effect on a public policy")
    assert pages(prepared(tmp_path, policies=[{**PUBLIC, "login_url": None}])) == [None]


def test_https_counts_for_the_hosts_that_the_configuration_names_with_https(tmp_path: Path) -> None:
    policies = [{**OF_HOST, "login_url": "http://dev.example.com:3000/in"}, {**SIGNED_IN, "name": "rest"}]
    made = page(tmp_path, login_url="https://login.example.com:8443/in", policies=policies)
    assert made.https_hosts == {("login.example.com", 8443)}
    assert {("dev.example.com", 3000), ("app.example.com", None)} < made.return_hosts


def test_the_policy_in_a_warning_has_a_name_that_no_other_has(tmp_path: Path) -> None:
    public = {"match": {"path": "/other"}, "public": True}
    policies = [{"name": name, **public} for name in ("sign-in", "sign-in-page")]
    (warning,) = about_sign_in(prepared(tmp_path, login_url=PAGE, policies=[*policies, SIGNED_IN]))
    assert "{name: sign-in-2, match: {host: app.example.com, path: /sign-in}, public: true}" in warning
    assert "the page's own files" in warning
