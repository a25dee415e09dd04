"""What the check calls an error lets a request through the real nginx: without a token, or as another user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate.proxies.nginx._levels import levels, location
from authgate.proxies.nginx.syntax import parse
from tests.support import processes
from tests.support.checked_nginx import GENERATED, PROTECTED, check, errors, main
from tests.support.client import ask
from tests.support.e2e import identity
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

_ASKING_ELSEWHERE = GENERATED["authgate_protect.conf"].replace("auth_request /_authgate;", "auth_request /_asking;")
_SUBREQUEST = GENERATED["authgate_server.conf"].partition("location = /_authgate {")[2].partition("\n}")[0]

# Locations with one mistake for each path, and a part of the error. The client sends an X-User-Id, and no token.
MISTAKES = {
    "/own/": (
        (
            "location /own/ { include authgate_public.conf; proxy_set_header X-User-Id $http_x_user_id; "
            "proxy_pass http://tasks; }"
        ),
        "X-User-Id is taken from the client",
    ),
    "/cancelled/": (
        (
            "location /cancelled/ { include authgate_public.conf; "
            "location /cancelled/in/ { proxy_set_header X-Other 1; proxy_pass http://tasks; } }"
        ),
        "can send X-User-Id",
    ),
    "/any/": (
        "location /any/ { satisfy any; allow all; include authgate_protect.conf; proxy_pass http://tasks; }",
        "satisfy any",
    ),
    "/passed/": (
        (
            "location /passed/ { error_page 401 = @open; include authgate_protect.conf; proxy_pass http://tasks; } "
            "location @open { include authgate_public.conf; proxy_pass http://tasks; }"
        ),
        "passes the request on that AuthGate refused",
    ),
    "/page/": (
        (
            "location /page/ { error_page 401 = @page; include authgate_protect.conf; proxy_pass http://tasks; } "
            "location @page { return 200 '{\"headers\": []}'; }"
        ),
        "which may be 200",
    ),
    "/intercepted/": (
        (
            f"location /intercepted/ {{ {_ASKING_ELSEWHERE} proxy_pass http://tasks; }} "
            "location @fine { return 200; } "
            f"location = /_asking {{ error_page 401 403 =200 @fine; {_SUBREQUEST} }}"
        ),
        "before nginx looks at its status",
    ),
    "/answered/": (
        (
            f"location /answered/ {{ {_ASKING_ELSEWHERE.replace('_asking', '_answer')} proxy_pass http://tasks; }} "
            f"location = /_answer {{ if ($request_method = GET) {{ return 204; }} {_SUBREQUEST} }}"
        ),
        "return answers instead of AuthGate",
    ),
    "/tried/": (
        (
            "location /tried/ { error_page 401 = @try; include authgate_protect.conf; proxy_pass http://tasks; } "
            "location @try { try_files /login.html @tried; } "
            "location @tried { include authgate_public.conf; proxy_pass http://tasks; }"
        ),
        "@tried passes the request on",
    ),
    "/half/": (
        (
            "location /half/ { error_page 401 = @half; include authgate_protect.conf; proxy_pass http://tasks; } "
            "location @half { include authgate_public.conf; rewrite ^/account/ /login break; proxy_pass http://tasks; }"
        ),
        "@half passes the request on",
    ),
    "/uri/": (
        (
            "location /uri/ { error_page 401 = /denied; include authgate_protect.conf; proxy_pass http://tasks; } "
            "location = /denied { include authgate_public.conf; proxy_pass http://tasks$request_uri; }"
        ),
        "location = /denied passes the request on",
    ),
    "/broken/": (
        "location /broken/ { break; return 403; proxy_pass http://tasks; }",
        "does not ask AuthGate, and removes no header",
    ),
    "/rewritten/": (
        (
            "location /rewritten/ { include authgate_protect.conf; rewrite ^/rewritten/(.*) /plain/$1 last; "
            "proxy_pass http://tasks; } location /plain/ { proxy_pass http://tasks; }"
        ),
        "does not ask AuthGate, and removes no header",
    ),
}
# At these, the client's X-User-Id reaches the upstream. At the others, a request without a token gets a 200.
SPOOFED = {"/own/", "/cancelled/", "/broken/", "/rewritten/"}


# Words as nginx's files may hold them.
WORDS = [
    "a",
    r"\a\"b\;\ c",
    '"a b;{}#"',
    "'\\'\"'",
    r'"\\\t\r\n"',
    r"\t\r",
    "a'b\"",
    "a#b",
    "a}b",
    "a()[]",
    "'a\nb'",
    '"\\x"',
]
CHOSEN = """
location /choose/ { return 200 prefix; }
location /choose/long/ { return 200 long; }
location ^~ /choose/first/ { return 200 first; }
location = /choose/exact { return 200 exact; }
location ~ ^/choose/.*\\.png$ { return 200 pattern; }
location ~* ^/choose/(any|case) { return 200 anycase; }
"""
URIS = {
    "/choose/": "prefix",
    "/choose/long/x": "long",
    "/choose/long/x.png": "pattern",
    "/choose/long/x.PNG": "long",
    "/choose/first/x.png": "first",
    "/choose/exact": "exact",
    "/choose/exact/": "prefix",
    "/choose/CASE/long": "anycase",
    "/choose/case.png": "pattern",
}


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """nginx with all mistakes, between a real AuthGate and an upstream that answers with what arrived."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "secret").write_bytes(SECRET)
    config = f"issuers: [{{name: app, preset: jwt, secret_file: {folder / 'secret'}, audiences: [tasks]}}]\n"
    with processes.authgate(folder, config) as authgate, processes.echo(folder) as upstream:
        words = (f"location = /word/{number} {{ return 200 {word};\n}}" for number, word in enumerate(WORDS))
        locations = "\n".join([*(text for text, _ in MISTAKES.values()), *words, CHOSEN])
        address = f"127.0.0.1:{authgate.port}"
        with processes.nginx(folder, authgate=address, upstream=upstream, locations=locations) as port:
            yield port


@pytest.mark.parametrize("path", MISTAKES)
def test_an_error_of_the_check_is_a_hole_in_the_real_nginx(nginx: int, path: str) -> None:
    locations, message = MISTAKES[path]
    found = errors(check(main(PROTECTED + locations)))
    assert any(message in error for error in found), found
    answer = ask(nginx, f"{path}in/echo", "X-User-Id: admin")
    assert answer.status == 200
    assert identity(answer.json) == ({"x-user-id": ["admin"]} if path in SPOOFED else {})


def test_without_a_mistake_the_same_request_is_refused(nginx: int) -> None:
    assert ask(nginx, "/api/in/echo", "X-User-Id: admin").status == 401


@pytest.mark.parametrize("number", range(len(WORDS)))
def test_a_word_is_read_as_nginx_reads_it(nginx: int, number: int) -> None:
    (directive,) = parse(f"return 200 {WORDS[number]};", "nginx.conf")
    assert ask(nginx, f"/word/{number}").body.decode() == directive.words[2]


@pytest.mark.parametrize("uri", URIS)
def test_a_path_gets_the_location_that_nginx_chooses(nginx: int, uri: str) -> None:
    (http,) = levels(parse(f"http {{ server {{ {CHOSEN} }} }}", "nginx.conf"))
    chosen = location(http.inner[0], uri)
    assert chosen
    assert ask(nginx, uri).body.decode() == chosen.own("return")[0].words[2] == URIS[uri]
