"""The settings of what a refused client gets: each mistake is refused with its setting and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate.config.load import load
from authgate.config.model import Config
from tests.support.rejections import GOOD, assert_only, jwt_file, rejected

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "https://app.example.com/sign-in"
NO_CHARACTER = "has a character that is not in a URL: write an address such as https://app.example.com/sign-in"
TWO_READINGS = "has a path that servers read in different ways"
NO_HOST = "names no host"
FORM = "holds white space, a backslash or non-ASCII characters"

BAD_LOGIN_URLS: dict[str, str] = {
    "": "is not an absolute URL",
    "/sign-in": "is not an absolute URL",
    "app.example.com/sign-in": "is not an absolute URL",
    "//app.example.com/sign-in": "is not an absolute URL",
    "javascript:alert(1)": "is not an absolute URL",
    "ftp://app.example.com/": "is not an absolute URL",
    "https://": NO_HOST,
    "https:///sign-in": NO_HOST,
    "https:app.example.com": "is not an absolute URL",
    "https://-app.example.com/": NO_HOST,
    "https://" + "a" * 254 + "/": NO_HOST,
    "https://a..b/": NO_HOST,
    "https://2130706433/": NO_HOST,
    "https://app.example.com:0/": NO_HOST,
    "https://app.example.com:99999/": "is not a URL",
    "https://[::1/": "is not a URL",
    "https://app.example.com@evil.example/": "holds credentials",
    "https://ada:hunter2@app.example.com/": "holds credentials",
    "https://app.example.com/#/sign-in": "has a fragment",
    "https://app.example.com/sign in": FORM,
    "https://app.example.com/\n": FORM,
    "https://app.example.com\\sign-in": FORM,
    "https://\u00e4pp.example.com/": FORM,
    "https://app.example.com/" + "a" * 1001: "is longer than 1024 characters",
    "https://app.example.com/" + "a" * 5000: "is longer than 2048 characters",
    **{f"{PAGE}?a={mark}": NO_CHARACTER for mark in "\"'<>^`{|}$"},
    **{f"https://app.example.com{path}": TWO_READINGS for path in ("//in", "/a/../in", "/%252e/in")},
    f"{PAGE}?max_age=5": "has the parameter max_age",
    f"{PAGE}?a=b&max%5Fage": "has the parameter max_age",
}


@pytest.mark.parametrize(("url", "message"), BAD_LOGIN_URLS.items(), ids=lambda text: ascii(text)[:50])
def test_a_login_url_that_browsers_may_read_differently_is_refused(url: str, message: str, tmp_path: Path) -> None:
    assert_only(rejected(jwt_file(tmp_path, {"secret": GOOD}, login_url=url)), "login_url", message)
    policies = [{"name": "a", "require": "signed_in", "login_url": url}]
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD}, policies=policies))
    assert_only(problems, "policies[0].login_url", message)
    assert "hunter2" not in problems[0].message


@pytest.mark.parametrize(
    "url",
    [
        PAGE,
        "https://app.example.com",
        "https://app.example.com?view=sign-in",
        "https://APP.example.com:443/sign-in/?a=b&c=%26",
        "http://localhost:3000/api/auth/signin",
        "https://[::1]:8443/",
        "https://sign_in.example.com/~in;x/a%2Fb/@a,b!(c)*+=:",
        "https://app.example.com/" + "a" * 1000,
    ],
    ids=lambda url: url[:40],
)
def test_other_addresses_of_a_page_are_accepted(url: str, tmp_path: Path) -> None:
    loaded = load(str(jwt_file(tmp_path, {"secret": GOOD}, login_url=url)), {})
    assert loaded.problems == ()
    assert loaded.config.login_url == url


# What is set, the setting of the problem, and a part of its message.
MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"login_url": 7}, "login_url", "7 is not text"),
    ({"login_url": [PAGE]}, "login_url", "is a list, not text"),
    *(
        ({"return_parameter": name}, "return_parameter", "is not the name of a query parameter")
        for name in ("", "a b", "a=b", "a&b", "a%3d", "#a", "\u00e4", "a" * 65)
    ),
    ({"return_parameter": "max_age"}, "return_parameter", "max_age has a meaning of its own"),
    ({"return_parameter": None}, "return_parameter", "null is not text"),
    ({"return_hosts": []}, "return_hosts", "is empty"),
    ({"return_hosts": None}, "return_hosts", "is null: set it, or leave it out"),
    ({"return_hosts": "app.example.com"}, "return_hosts", "is not a list"),
    ({"return_hosts": [f"a{number}" for number in range(257)]}, "return_hosts", "257"),
    *(
        ({"return_hosts": ["a.example", host]}, "return_hosts[1]", "is not a host to send users back to")
        for host in (
            *("", "https://app.example.com", "app.example.com/", "*.example.com", "a@b", "app.example.com:0"),
            *(
                "app.example.com:port",
                "app.example.com:70000",
                "\u00e4pp.example",
                "::1",
                "[::1",
                "a b",
                ".a",
                "a?b",
                "a#",
            ),
        )
    ),
    ({"return_hosts": [7]}, "return_hosts[0]", "7 is not text"),
    ({"cors": None}, "cors", "is null, not a mapping"),
    ({"cors": []}, "cors", "is a list, not a mapping"),
    ({"cors": {"origins": []}}, "cors.origins", "is not a setting"),
    ({"cors": {"allowed_origins": PAGE}}, "cors.allowed_origins", "is not a list"),
    ({"cors": {"allowed_origins": [f"https://a{n}" for n in range(257)]}}, "cors.allowed_origins", "257"),
    *(
        ({"cors": {"allowed_origins": [origin]}}, "cors.allowed_origins[0]", "is not an origin")
        for origin in (
            *(
                "",
                "*",
                "null",
                "app.example.com",
                "https://",
                "https://app.example.com/",
                PAGE,
                "https://*.example.com",
            ),
            *("https://a@b", "ftp://a.example", "https://a:port", "https://a:0", "https://a, https://b", "https://a?b"),
            *("https://\u00e4pp.example", "https://a b", 'https://a"', "https://a;b", "https://$host", "https://{a}"),
            "https://\N{KELVIN SIGN}.example",
        )
    ),
    ({"page": {"color": "#123456"}}, "page.color", "did you mean colour?"),
    *(
        ({"page": {"colour": color}}, "page.colour", "is not a color: write it as #rgb or #rrggbb, in quotes")
        for color in ("", "red", "123456", "#12345", "#1234567", "#12345g", "#123;}", "rgb(1,2,3)", "#12 ")
    ),
    ({"page": {"colour": 123456}}, "page.colour", "123456 is not text"),
    *(
        ({"page": {name: text}}, f"page.{name}", "is not one line of text")
        for name in ("title", "contact")
        for text in ("a\nb", " a", "a ", "a\x00b", "a\u202eb", "a\tb")
    ),
    ({"page": {"title": ""}}, "page.title", "is empty"),
    ({"page": {"contact": "a" * 101}}, "page.contact", "has 101 characters; at most 100 are allowed"),
]


@pytest.mark.parametrize(("settings", "setting", "message"), MISTAKES, ids=[ascii(row[0])[:70] for row in MISTAKES])
def test_a_mistake_is_refused(settings: dict[str, Any], setting: str, message: str, tmp_path: Path) -> None:
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD}, **settings))
    text = [f"{problem.message}; {problem.fix}" for problem in problems]
    assert [problem.setting for problem in problems] == [setting], text
    assert message in text[0]


def test_null_switches_the_login_url_of_a_policy_off_and_is_the_default_of_the_global_one(tmp_path: Path) -> None:
    policies = [{"name": "a", "require": "signed_in", "login_url": None}]
    loaded = load(str(jwt_file(tmp_path, {"secret": GOOD}, login_url=None, policies=policies)), {})
    assert loaded.problems == ()
    assert loaded.config.login_url is None


def test_hosts_and_origins_are_kept_as_browsers_write_them() -> None:
    config = Config.model_validate(
        {
            "return_hosts": ["APP.example.com.", "app.example.com:0443", "[0:0::1]:8443"],
            "cors": {
                "allowed_origins": ["HTTPS://App.example.com:443", "http://a:8080", "http://b:80", "https://[0::1]"]
            },
        }
    )
    assert config.return_hosts == ["app.example.com", "app.example.com:443", "[::1]:8443"]
    assert config.cors.allowed_origins == ["https://app.example.com", "http://a:8080", "http://b", "https://[::1]"]


@pytest.mark.parametrize(
    "title", ["T\u00e2ches", "Tasks & <b>more</b>", "'; return 200; '", "$host {args[0]}", "a" * 100]
)
def test_any_line_of_text_may_be_a_title(title: str) -> None:
    assert Config.model_validate({"page": {"title": title, "contact": title}}).page.title == title


@pytest.mark.parametrize("color", ["#000", "#4a6fa5", "#ABCDEF"])
def test_a_color_has_three_or_six_digits(color: str) -> None:
    assert Config.model_validate({"page": {"colour": color}}).page.colour == color


def test_a_color_that_yaml_read_as_a_comment_is_refused(tmp_path: Path) -> None:
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD}, page={"colour": None}))
    assert_only(problems, "page.colour", "write the color in quotes")


def test_every_origin_at_once_is_refused(tmp_path: Path) -> None:
    problems = rejected(jwt_file(tmp_path, {"secret": GOOD}, cors={"allowed_origins": ["*"]}))
    assert_only(problems, "cors.allowed_origins[0]", "browsers do not send cookies to every origin")
