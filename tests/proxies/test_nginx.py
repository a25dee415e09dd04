"""nginx's generated files. tests/e2e runs them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from authgate.core.header_names import OVERRIDES
from authgate.core.spellings import SPELLINGS, Spelling
from authgate.proxies.nginx import generator as nginx
from authgate.proxies.settings import default_settings
from tests.support.generated import configured
from tests.support.processes import ROOT


def files(**configuration: Any) -> dict[str, str]:
    return nginx.files(configured(**configuration))


def test_the_shipped_files_are_generated_from_the_defaults() -> None:
    shipped = {path.name: path.read_text() for path in (ROOT / "deploy/nginx").glob("authgate_*.conf")}
    assert nginx.files(default_settings()) == shipped


def test_every_header_of_every_policy_is_copied_and_removed() -> None:
    written = files(
        headers={"X-User-Id": "subject", "X-Tenant": "claims.tenant"},
        policies=[{"name": "all", "require": "signed_in", "headers": {"X-Plan": "roles"}}],
    )
    for name in (
        "X-User-Id",
        "X-Tenant",
        "X-Plan",
        "X-User-Email",
    ):  # the last is a default name, which nobody may send
        variable = nginx.variable(name)
        assert (
            f"auth_request_set {variable} $upstream_http_{name.lower().replace('-', '_')};\n"
            in (written["authgate_protect.conf"])
        )
        assert f"proxy_set_header {name} {variable};\n" in written["authgate_protect.conf"]
        assert f'proxy_set_header {name} "";\n' in written["authgate_public.conf"]
        for file in ("authgate_protect.conf", "authgate_public.conf"):
            assert f'proxy_set_header {name}- "";\n' in written[file]
            assert f'proxy_set_header {name}-- "";\n' in written[file]


@pytest.mark.parametrize("file", ["authgate_protect.conf", "authgate_public.conf"])
def test_headers_that_name_another_method_or_path_are_removed(file: str) -> None:
    for name in OVERRIDES:
        assert f'proxy_set_header {name} "";\n' in files()[file]


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda row: row.name)
def test_every_row_of_the_table_is_a_line_of_a_map(spelling: Spelling) -> None:
    written = files()["authgate_http.conf"]
    assert nginx.quoted(f"~*{spelling.pattern}") in written


def test_what_is_data_is_not_refused() -> None:
    everywhere, _, in_public = files(paths={"encoded_slash": "data"})["authgate_http.conf"].partition("_data_in_path {")
    assert "# encoded slash\n" not in everywhere
    assert "# encoded slash\n" in in_public
    assert "# semicolon\n" in everywhere


def test_pages_of_the_origins_of_cors_may_read_refusals() -> None:
    written = files(cors={"allowed_origins": ["https://app.example.com"]})["authgate_http.conf"]
    assert '    "https://app.example.com" $http_origin;\n' in written


def test_only_the_cookies_and_headers_of_the_configuration_are_stripped() -> None:
    written = files(credentials=[{"header": "X-Token"}, {"cookie": "my.jwt"}])
    assert 'proxy_set_header X-Token "";\n' in written["authgate_strip.conf"]
    assert "Authorization" not in written["authgate_strip.conf"]
    assert set(re.findall(r"__\(\?:Secure\|Host\)-\)\?(\S*?\))", written["authgate_http.conf"])) == {r"(?:my\.jwt)"}


def test_no_cookie_is_stripped_if_only_a_header_holds_credentials() -> None:
    written = files(credentials=[{"header": "Authorization"}])
    assert r"[^\s\S]" in written["authgate_http.conf"]


def test_a_long_name_gets_a_larger_bucket() -> None:
    name = "X" + "-Long" * 40
    assert "proxy_headers_hash_bucket_size 256;" in files(headers={name: "subject"})["authgate_http.conf"]


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:4190", "127.0.0.1:4190"),
        ("0.0.0.0:5000", "127.0.0.1:5000"),
        ("unix:/run/authgate.sock", "unix:/run/authgate.sock"),
    ],
)
def test_nginx_asks_where_authgate_listens(listen: str, address: str) -> None:
    assert f"    server {address};\n" in files(listen=listen)["authgate_upstream.conf"]


TLS = {"certificate_file": "/tls.crt", "key_file": "/tls.key"}


def test_an_authgate_with_tls_is_asked_by_https_and_its_certificate_is_verified() -> None:
    written = files(tls=TLS)["authgate_server.conf"]
    assert "proxy_pass https://authgate/auth/nginx;" in written
    assert "proxy_ssl_verify on;" in written
    assert "proxy_ssl_name 127.0.0.1;" in written
    assert "proxy_ssl_certificate " not in written
    assert "proxy_ssl" not in files()["authgate_server.conf"]


def test_with_mutual_tls_nginx_shows_a_certificate() -> None:
    written = files(tls=TLS | {"client_ca_file": "/ca.crt"})["authgate_server.conf"]
    assert "proxy_ssl_certificate /etc/nginx/authgate/tls.crt;" in written
