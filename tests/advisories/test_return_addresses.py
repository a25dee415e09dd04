"""P10: return addresses that attackers choose. Each is refused or made harmless, behind every proxy.

CVE-2021-21291 (OAuth2 Proxy), CVE-2024-52003 (Traefik), the userinfo of Authlib 1.8, and the recipe `?next=$uri`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate.adapters import ADAPTERS
from tests.support.naive_sign_in import answer, location, places, resolved
from tests.support.ruling import configured

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.core.snapshot import Snapshot

ISSUER = "issuers: [{name: app, preset: jwt, secret_env: JWT_SECRET, audiences: any}]\n"
RETURN_HOSTS = "return_hosts: [app.example.com, 'app.example.com:8443']\n"
DATA = (
    "policies: [{name: all, match: {path: /**}, require: signed_in}]\npaths: {encoded_slash: data, semicolon: data}\n"
)
# What the configuration says, and the origin of its sign-in page.
CONFIGURATIONS = {
    "a host of its own": (f"login_url: https://id.example.com/sign-in\n{RETURN_HOSTS}", "https://id.example.com"),
    "the application's host": ("login_url: https://app.example.com/sign-in\n", "https://app.example.com"),
    "a query": (
        f"login_url: 'https://id.example.com:9443/?view=a&b=%26c'\n{RETURN_HOSTS}",
        "https://id.example.com:9443",
    ),
    "no path": (f"login_url: http://localhost:3000\n{RETURN_HOSTS}", "http://localhost:3000"),
    "paths as data": (f"login_url: https://id.example.com/sign-in\n{RETURN_HOSTS}{DATA}", "https://id.example.com"),
}
KNOWN = {f"{scheme}://app.example.com{port}" for scheme in ("http", "https") for port in ("", ":8443")}
EVIL = "evil.example"

TARGETS = {
    "scheme-relative": f"//{EVIL}/",
    "scheme-relative, more slashes": f"////{EVIL}/",
    "scheme-relative, userinfo": f"//app.example.com@{EVIL}/",
    "scheme-relative after a dot segment": f"/x/..//{EVIL}",
    "scheme-relative after an encoded dot segment": f"/x/%2e%2e//{EVIL}",
    "scheme-relative after a single dot": f"/.//{EVIL}",
    "backslash": f"/\\{EVIL}",
    "backslash, slash": f"/\\/{EVIL}",
    "two backslashes": f"\\\\{EVIL}",
    "encoded backslash": f"/%5c{EVIL}",
    "encoded backslash, capital": f"/%5C%5C{EVIL}",
    "encoded slash": f"/%2f{EVIL}",
    "encoded slash, capital": f"/%2F/{EVIL}",
    "encoded slash after an encoded dot": f"/%2e%2f{EVIL}",
    "encoded slashes after dots": f"/..%2f%2f{EVIL}",
    "encoded twice": f"/%252f{EVIL}",
    "encoded twice, backslash": f"/%255c{EVIL}",
    "encoded twice, each digit": f"/%25%32%66{EVIL}",
    "encoded three times": f"/%25252f{EVIL}",
    "overlong slash": f"/%c0%af{EVIL}",
    "IIS escape": f"/%u002f{EVIL}",
    "tab": f"/\t/{EVIL}",
    "encoded tab": f"/%09/{EVIL}",
    "encoded newline": f"/%0a/{EVIL}",
    "encoded carriage return": f"/%0d/{EVIL}",
    "encoded NUL": f"/%00/{EVIL}",
    "C1 control": f"/%c2%85/{EVIL}",
    "line separator": f"/\u2028/{EVIL}",
    "space": f"/ /{EVIL}",
    "encoded space": f"/%20/{EVIL}",
    "CRLF": f"/\r\nLocation: https://{EVIL}/",
    "encoded CRLF": f"/%0d%0aLocation:%20https://{EVIL}/",
    "encoded CRLF in the query": f"/?a=%0d%0aLocation:%20https://{EVIL}/",
    "raw CRLF in the query": f"/?a=\r\nLocation: https://{EVIL}/",
    "fullwidth solidus": f"/\uff0f{EVIL}",
    "encoded fullwidth solidus": f"/%ef%bc%8f{EVIL}",
    "fraction slash": f"/%e2%81%84{EVIL}",
    "ideographic full stop": "/%e3%80%82evil.example",
    "bytes that are not UTF-8": f"/\udce9\udc2f{EVIL}".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
    "absolute URL": f"https://{EVIL}/",
    "absolute URL as a path": f"/https://{EVIL}/",
    "scheme as a path": f"/https:{EVIL}",
    "scheme as a path, one slash": f"/https:/{EVIL}",
    "javascript": "javascript:alert(1)",
    "javascript as a path": "/javascript:alert(1)",
    "javascript after a newline": "/%0ajavascript:alert(1)",
    "data": "/data:text/html,<script>alert(1)</script>",
    "userinfo as a path": f"/@{EVIL}",
    "userinfo with a password as a path": f"/:443@{EVIL}/",
    "domain as the rest of a name": f".{EVIL}/",
    "path parameters": f"/;/{EVIL}",
    "path parameters, scheme-relative": f"/;//{EVIL}",
    "encoded path parameters": f"/%3b%2f%2f{EVIL}",
    "path parameters, second parameter": f"/a;return_to=//{EVIL}",
    "second parameter": f"/a?x=1&return_to=https://{EVIL}/",
    "second parameter alone": f"/a?return_to=//{EVIL}/",
    "second parameter, semicolon": f"/a?x=1;return_to=//{EVIL}/",
    "second parameter in the path": f"/a&return_to=//{EVIL}/",
    "second parameter, encoded, in the path": f"/a%26return_to=/%5c{EVIL}",
    "second parameter of the old recipe": f"/page/a%26next=/%5c{EVIL}",
    "second parameter, encoded": f"/a?x=1%26return_to%3d//{EVIL}/",
    "second parameter, encoded twice": f"/a?x=1%2526return_to%253d//{EVIL}/",
    "another max_age": "/a?x=1&max_age=999999999",
    "fragment": f"/a#//{EVIL}",
    "encoded fragment": f"/a%23//{EVIL}",
    "encoded fragment in the query": f"/a?x=%23@{EVIL}",
    "query first": f"?//{EVIL}",
    "query at the root": f"/?//{EVIL}",
    "query with an address": f"/?https://{EVIL}/",
    "query with a backslash": f"/?\\\\{EVIL}",
    "quotes and marks": "/'\"><script>alert(1)</script>",
    "quotes and marks in the query": "/?'\"><script>alert(1)</script>",
    "variables of nginx": f"/$host?$arg_x&${{host}}//{EVIL}",
    "long": "/" + "a" * 3000,
    "long, cut before the end": "/" + "a" * 2010 + f"?//{EVIL}",
    "long when encoded": "/?" + "/" * 1500,
    "nothing": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Snapshot, str]]:
    folder: Path = tmp_path_factory.mktemp("sign-in")
    return {name: (configured(folder, ISSUER + text), origin) for name, (text, origin) in CONFIGURATIONS.items()}


@pytest.mark.parametrize("proxy", ADAPTERS)
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_P10_a_path_or_query_never_leads_to_another_host(
    snapshots: dict[str, tuple[Snapshot, str]], target: str, proxy: str
) -> None:
    for snapshot, sign_in in snapshots.values():
        for host in ("app.example.com", "app.example.com:8443", "other.example.com", EVIL):
            for scheme in ("https", "http"):
                to = location(answer(proxy, snapshot, target, host, scheme))
                if to:
                    assert {*places(to)} <= {sign_in, *KNOWN}, (to, host)


HOSTS = {
    "another host": EVIL,
    "subdomain": "evil.app.example.com",
    "parent": "example.com",
    "the host as a label": f"app.example.com.{EVIL}",
    "the host as a prefix": f"app.example.com-{EVIL}",
    "the host as a suffix": "evilapp.example.com",
    "the host as a suffix, hyphen": "evil-app.example.com",
    "userinfo": f"app.example.com@{EVIL}",
    "userinfo with a port": f"app.example.com:443@{EVIL}",
    "userinfo of localhost": f"localhost:80@{EVIL}",
    "userinfo, backslash": f"{EVIL}\\@app.example.com",
    "slash": f"{EVIL}/app.example.com",
    "encoded dot": f"app.example.com%2e{EVIL}",
    "encoded slash": f"{EVIL}%2fapp.example.com",
    "encoded at": f"app.example.com%40{EVIL}",
    "NUL": f"app.example.com\x00.{EVIL}",
    "encoded NUL": f"app.example.com%00.{EVIL}",
    "tab": f"app.example.com\t.{EVIL}",
    "space": f"app.example.com {EVIL}",
    "CRLF": f"app.example.com\r\nX: {EVIL}",
    "list": f"app.example.com, {EVIL}",
    "list, the other first": f"{EVIL},app.example.com",
    "query": f"{EVIL}?app.example.com",
    "fragment": f"{EVIL}#app.example.com",
    "another port": "app.example.com:8444",
    "a port with a sign": "app.example.com:+8443",
    "a port in other digits": "app.example.com:\u0668\u0664\u0664\u0663",
    "a port that is a name": "app.example.com:https",
    "two ports": f"app.example.com:443:{EVIL}",
    "a port out of range": "app.example.com:73979",  # 8443 modulo 65536
    "port zero": "app.example.com:0",
    "trailing dot": "app.example.com.",
    "two trailing dots": "app.example.com..",
    "leading dot": ".app.example.com",
    "empty": "",
    "Cyrillic": "\u0430pp.example.com",
    "fullwidth": "\uff41pp.example.com",
    "circled": "\u24d0pp.example.com",
    "ideographic full stop": f"app.example.com\u3002{EVIL}",
    "fullwidth at": f"app.example.com\uff20{EVIL}",
    "Kelvin sign": "\u212aapp.example.com",
    "soft hyphen": "app\u00ad.example.com",
    "zero width space": "app.example\u200b.com",
    "bytes that are not UTF-8": "app.example.com\udcff",
    "punycode of the Cyrillic one": "xn--pp-6kc.example.com",
    "IPv6": "[::1]",
    "IPv6 with a zone": "[fe80::1%25eth0]",
    "IPv6 around a name": "[app.example.com]",
    "IPv6, then a name": "[::1].app.example.com",
    "IPv4": "127.0.0.1",
    "IPv4 as a number": "2130706433",
    "IPv4 in hexadecimal": "0x7f000001",
    "wildcard": "*.example.com",
    "script": "javascript:alert(1)",
}


@pytest.mark.parametrize("proxy", ADAPTERS)
@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_P10_a_host_never_becomes_a_return_address_unless_the_configuration_names_it(
    snapshots: dict[str, tuple[Snapshot, str]], host: str, proxy: str
) -> None:
    for snapshot, sign_in in snapshots.values():
        for target in ("/", "/a?b=c", "/a%26return_to=/"):
            to = location(answer(proxy, snapshot, target, host))
            if to:
                assert {*places(to)} <= {sign_in, *(KNOWN if host == "app.example.com." else ())}, to


@pytest.mark.parametrize("scheme", ["javascript", "data", "file", "ftp", "HTTPS", "https,http", ""])
@pytest.mark.parametrize("proxy", ADAPTERS)
def test_P10_only_http_and_https_become_a_return_address(
    snapshots: dict[str, tuple[Snapshot, str]], scheme: str, proxy: str
) -> None:
    for snapshot, sign_in in snapshots.values():
        to = location(answer(proxy, snapshot, "/", "app.example.com", scheme))
        assert bool(to) is (scheme == "HTTPS")
        assert not to or {*places(to)} <= {sign_in, "https://app.example.com"}


@pytest.mark.parametrize("proxy", ADAPTERS)
def test_a_sound_request_comes_back_to_where_it_was(snapshots: dict[str, tuple[Snapshot, str]], proxy: str) -> None:
    for snapshot, sign_in in snapshots.values():
        to = location(answer(proxy, snapshot, "/tasks?page=2&sort=a", "app.example.com"))
        assert [*places(to)][:2] == [sign_in, "https://app.example.com"]
        assert to.endswith("return_to=https%3A%2F%2Fapp.example.com%2Ftasks%3Fpage%3D2%26sort%3Da")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("proxy", ADAPTERS)
def test_a_request_that_changes_something_is_no_return_address(
    snapshots: dict[str, tuple[Snapshot, str]], method: str, proxy: str
) -> None:
    for snapshot, _ in snapshots.values():
        reply = answer(proxy, snapshot, "/tasks", "app.example.com", method=method)
        assert reply is not None
        assert location(reply) == ""
        assert "return_to" not in repr(reply)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("/a", "https://id.example.com"),
        ("?a", "https://id.example.com"),
        ("https:/a", "https://id.example.com"),
        ("//evil.example/a", "https://evil.example"),
        ("/\\evil.example", "https://evil.example"),
        ("/\t/evil.example", "https://evil.example"),
        (" \x01//evil.example", "https://evil.example"),
        ("\\\\evil.example", "https://evil.example"),
        ("http:evil.example", "http://evil.example"),
        ("HTTPS:////evil.example:443", "https://evil.example"),
        ("https://app.example.com:80@evil.example:8443/", "https://evil.example:8443"),
        ("https://evil.example\\@app.example.com", "https://evil.example"),
        ("https://app.example.com%2eevil.example/", "https://app.example.com.evil.example"),
        ("java\nscript:alert(1)", "javascript:"),
    ],
)
def test_the_naive_page_and_its_browser_do_follow_bad_addresses(text: str, origin: str) -> None:
    """Otherwise the tests above would prove nothing."""
    assert resolved(text, "https://id.example.com/sign-in") == origin
