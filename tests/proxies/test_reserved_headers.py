"""The default identity headers are never a client's, also where `headers` of the configuration does not name them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from authgate.proxies import PROXIES
from authgate.proxies.settings import default_settings
from tests.proxies import test_caddy_check as caddy
from tests.proxies import test_traefik_check as traefik
from tests.support import checked_nginx as nginx
from tests.support.generated import configured

SETTINGS = replace(default_settings(), identity_headers=("X-User-Roles",))
FORMS = [(proxy, form) for proxy, row in PROXIES.items() for form in row.forms]
CADDY = "import authgate.caddy\n:80 {\nimport authgate_errors\n%s}\n"


@pytest.mark.parametrize(("proxy", "form"), FORMS, ids=[" ".join(each) for each in FORMS])
def test_every_file_names_them_as_often_as_with_the_default(proxy: str, form: str) -> None:
    make, settings = PROXIES[proxy].forms[form], configured(headers={"X-User-Roles": "roles"})
    texts, usual = ("\n".join(make(each).values()).lower() for each in (settings, default_settings()))
    for name in default_settings().identity_headers:
        assert texts.count(name.lower()) == usual.count(name.lower()) > 0


def test_a_deployed_file_that_lets_them_pass_is_an_error() -> None:
    """Each file is the shipped one, without the lines about X-User-Id."""
    nginx_files = {
        name: "".join(line for line in text.splitlines(keepends=True) if "X-User-Id " not in line)
        for name, text in nginx.GENERATED.items()
    }
    protect = traefik.FORMS["file"]["dynamic/authgate.yml"].replace("          - X-User-Id\n", "")
    protect = protect.replace('          X-User-Id: ""\n', "")
    snippets = caddy.GENERATED.replace("\t\t\tcopy_headers X-User-Id\n", "").replace(
        "\trequest_header -X-User-Id\n", ""
    )
    found = {
        "nginx": nginx.errors(nginx.check(nginx.main(nginx.PROTECTED + nginx.PUBLIC), nginx_files, SETTINGS)),
        "traefik": traefik.errors(traefik.check(traefik.FORMS["file"] | {"dynamic/authgate.yml": protect}, SETTINGS)),
        "caddy": [
            finding.message
            for finding in caddy.check(caddy.adapted(CADDY % (caddy.PROTECTED + caddy.PUBLIC), snippets), SETTINGS)
        ],
    }
    for proxy, messages in found.items():
        assert messages, proxy
        assert all(message.startswith("X-User-Id reaches the upstream as the client sent it") for message in messages)


def test_a_deployed_file_that_only_removes_them_is_right() -> None:
    copied = "auth_request_set $authgate_header_x_user_id $upstream_http_x_user_id;\n"
    files = {
        name: text.replace(copied, "").replace("$authgate_header_x_user_id;", '"";')
        for name, text in nginx.GENERATED.items()
    }
    assert files != nginx.GENERATED
    assert nginx.check(nginx.main(nginx.PROTECTED), files, SETTINGS) == []
    snippets = caddy.GENERATED.replace("\t\t\tcopy_headers X-User-Id\n", "")
    assert snippets != caddy.GENERATED
    assert caddy.check(caddy.adapted(CADDY % caddy.PROTECTED, snippets), SETTINGS) == []
    uncopied = traefik.FORMS["file"]["dynamic/authgate.yml"].replace("          - X-User-Id\n", "")
    assert uncopied != traefik.FORMS["file"]["dynamic/authgate.yml"]
    assert traefik.errors(traefik.check(traefik.FORMS["file"] | {"dynamic/authgate.yml": uncopied}, SETTINGS)) == []
