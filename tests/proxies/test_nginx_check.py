"""What `authgate proxy nginx --check` finds: each mistake by its name, and nothing in the files that we ship."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authgate.core.header_names import OVERRIDES, with_trailing_marks
from authgate.core.spellings import SPELLINGS
from authgate.proxies.findings import Unusable, named
from authgate.proxies.nginx import generator as nginx
from authgate.proxies.settings import default_settings
from tests.support.checked_nginx import GENERATED, PROTECTED, PUBLIC, check, errors, main, warnings

if TYPE_CHECKING:
    from authgate.core.spellings import Spelling

IDENTITY = default_settings().identity_headers
NAMES = (*IDENTITY, *OVERRIDES, *with_trailing_marks((*IDENTITY, *OVERRIDES)))


def test_the_generated_files_pass_and_leave_nothing_to_warn_of() -> None:
    assert check(main(PROTECTED + PUBLIC)) == []


def without(file: str, line: str) -> dict[str, str]:
    """Return the generated files without one *line* of *file*."""
    text = GENERATED[file]
    assert text.count(f"\n{line}\n") == 1, line
    return GENERATED | {file: text.replace(f"\n{line}\n", "\n")}


HEADER_LINES = [
    (file, line)
    for file in ("authgate_protect.conf", "authgate_public.conf")
    for line in GENERATED[file].splitlines()
    if re.match(r"proxy_set_header|auth_request_set \$authgate_header", line)
]


@pytest.mark.parametrize(("file", "line"), HEADER_LINES, ids=[f"{file}: {line}" for file, line in HEADER_LINES])
def test_without_any_one_line_about_a_header_an_error_names_the_header(file: str, line: str) -> None:
    name = line.split()[1] if line.startswith("proxy_set_header") else line.split("_http_")[1].rstrip(";")
    found = errors(check(main(PROTECTED + PUBLIC), without(file, line)))
    named = {word.lower() for message in found for word in re.findall(r"[\w-]+", message)}
    assert name.replace("_", "-").lower() in named


def test_there_is_a_line_for_every_header() -> None:
    assert len(HEADER_LINES) == 2 * len(NAMES) + len(IDENTITY)


SPELLING_LINES = [
    (spelling, line)
    for spelling in SPELLINGS
    for line in GENERATED["authgate_http.conf"].splitlines()
    if line.endswith(f"# {spelling.name}")
    or (spelling.is_required and line.lstrip().startswith('"~*^(?:[^%]|') and line.endswith('"";'))
]


@pytest.mark.parametrize(("spelling", "line"), SPELLING_LINES, ids=[spelling.name for spelling, _ in SPELLING_LINES])
def test_without_any_one_row_of_a_path_an_error_names_the_row(spelling: Spelling, line: str) -> None:
    (message,) = errors(check(main(PROTECTED), without("authgate_http.conf", line)))
    assert message.endswith(f'has no row for these paths, so they may pass: "{spelling.name}"')


def test_there_is_a_line_for_every_spelling() -> None:
    assert [spelling for spelling, _ in SPELLING_LINES] == [*SPELLINGS]


SUBREQUEST_LINES = [
    line
    for line in GENERATED["authgate_server.conf"].partition("# auth_request passes")[0].splitlines()
    if re.match(r"    (proxy_set_header|proxy_pass_request_body|proxy_http|proxy_buffer_size|proxy_\w+_timeout)", line)
]


@pytest.mark.parametrize("line", SUBREQUEST_LINES)
def test_without_any_one_line_of_the_subrequest_a_finding_names_it(line: str) -> None:
    found = check(main(PROTECTED), without("authgate_server.conf", line))
    assert any(" ".join(line.split()) in finding.fix for finding in found)


@pytest.mark.parametrize("variable", sorted(set(re.findall(r"\$authgate_\w+ \{", GENERATED["authgate_http.conf"]))))
def test_without_a_map_an_error_says_that_its_variable_is_not_defined(variable: str) -> None:
    file = re.sub(rf"map \S+ {re.escape(variable)}.*?\n}}\n", "", GENERATED["authgate_http.conf"], flags=re.DOTALL)
    file = re.sub(rf'map "\S+ \S+" {re.escape(variable)}.*?\n}}\n', "", file, flags=re.DOTALL)
    name = variable.removesuffix(" {")
    assert file != GENERATED["authgate_http.conf"]
    strip = PROTECTED.replace("proxy_pass", "include authgate_strip.conf; include authgate_forward.conf; proxy_pass")
    found = check(main(strip + PUBLIC), GENERATED | {"authgate_http.conf": file})
    assert any(message.startswith(f"{name} is not defined") for message in errors(found))


SPOOFED = "a client can pose as another user"
P = "include authgate_protect.conf; proxy_pass http://tasks;"
SHOWN = "@authgate_$authgate_shown"
REFUSED = f"location = /_authgate_refused {{\n    internal;\n    error_page 400 {SHOWN};"
APP = "location @app { include authgate_public.conf; proxy_pass http://tasks; }"


def rewriting(rewrite: str) -> str:
    return APP.replace("proxy_pass", f"rewrite {rewrite} break; proxy_pass")


def denied(address: str) -> str:
    return f"location = /no {{ include authgate_public.conf; proxy_pass {address}; }}"


# What is in the server, and a part of each error that it must have. No part: no error.
MISTAKES: list[tuple[str, list[str]]] = [
    ("location / { proxy_pass http://tasks; }", ["does not ask AuthGate, and removes no header of clients"]),
    ("include authgate_protect.conf; location / { proxy_pass http://tasks; }", []),
    (
        "include authgate_protect.conf; location / { proxy_set_header Host $host; proxy_pass http://tasks; }",
        ["asks AuthGate, and removes no header of clients"],
    ),
    ("include authgate_protect.conf; location / { auth_request off; proxy_pass http://tasks; }", []),
    (f"location / {{ {P} location /in/ {{ proxy_pass http://tasks; }} }}", []),
    (f"location / {{ {P} location /in/ {{ include authgate_public.conf; proxy_pass http://x; }} }}", []),
    (f"location / {{ {P} if ($arg_x) {{ proxy_pass http://x; }} limit_except GET {{ proxy_pass http://x; }} }}", []),
    ("location / { if ($arg_x) { proxy_pass http://x; } }", ["removes no header of clients"]),
    ("location / { proxy_pass_request_headers off; proxy_pass http://tasks; }", []),
    ("location / { return 200; } location /files/ { root /srv; }", []),
    ("location @app { proxy_pass http://tasks; } location / { try_files $uri @app; }", ["removes no header"]),
    (f"location / {{ {P} proxy_set_header X-User-Id $http_x_user_id; }}", [SPOOFED]),
    (f"location / {{ {P} proxy_set_header x-user-id ${{http_x_user_id}}; }}", [SPOOFED]),
    (f"location / {{ {P} proxy_set_header X-User-Id $authgate_header_x_user_name; }}", ["which is not AuthGate's"]),
    (f"location / {{ {P} proxy_set_header X-User-Id admin; }}", ["which is not AuthGate's X-User-Id"]),
    (f"location / {{ {P} auth_request_set $a $upstream_http_b; }}", []),
    ("location / { include authgate_public.conf; proxy_set_header X-User-Id $remote_user; proxy_pass http://x; }",
     ["although AuthGate is not asked here"]),
    (f"location / {{ {P} proxy_set_header X-HTTP-Method $http_x_http_method; }}", ["as the client sent it"]),
    (f"location / {{ {P} proxy_set_header X-Forwarded-Uri $uri; }}", []),
    (f"location / {{ {P} proxy_set_header Connection $http_connection; }}", ["makes the upstream drop the identity"]),
    (f"location / {{ {P} proxy_set_header Upgrade $http_upgrade; }}", ["open a tunnel"]),
    ("location / { grpc_pass grpc://tasks; }", [SPOOFED, "some servers read", "some frameworks"]),
    ("location / { fastcgi_pass unix:/php; }", [SPOOFED, "some frameworks"]),
    (
        "location / { fastcgi_pass unix:/php;"
        + "".join(f' fastcgi_param HTTP_{n.upper().replace("-", "_")} "";' for n in (*IDENTITY, *OVERRIDES))
        + "}",
        [],
    ),
    ("location / { uwsgi_pass tasks; uwsgi_param HTTP_X_USER_ID $http_x_user_id; }", [SPOOFED, SPOOFED, "frameworks"]),
    (f"location / {{ satisfy any; allow 10.0.0.0/8; {P} }}", ["satisfy any"]),
    (f"satisfy any; location / {{ {P} }}", ["satisfy any"]),
    ("location /a/ { auth_request /other; proxy_pass http://x; }", ["no location /other", "removes no header"]),
    ("location / { auth_request /x; } location /x { return 200; }", ["answers with `return`"]),
    (f"location / {{ error_page 401 =200 /login.html; {P} }}", ["becomes a 200 (CVE-2026-24513)"]),
    (f"location / {{ error_page 401 403 =204 @x; {P} }} location @x {{ return 204; }}", ["becomes a 204"]),
    (f"location / {{ error_page 401 = /login.html; {P} }}", ["which may be 200"]),
    (f"location / {{ error_page 401 = @x; {P} }} location @x {{ return 200 hello; }}", ["which may be 200"]),
    (f"location / {{ error_page 401 = @x; {P} }} location @x {{ return 302 /login; }}", []),
    (f"location / {{ error_page 401 @x; {P} }} {PUBLIC.replace('= /healthz', '@x')}", ["that AuthGate refused"]),
    (f"location / {{ error_page 401 @x; {P} }} location @x {{ try_files /x @app; }} {APP}", ["@app passes"]),
    (f"location / {{ error_page 401 @x; {P} }} location @x {{ try_files /x =404; }} {APP}", []),
    (f"location / {{ error_page 401 @app; {P} }} {rewriting('^/account/ /login')}", ["that AuthGate refused"]),
    (f"location / {{ error_page 401 @app; {P} }} {rewriting('^(.*)$ $1')}", ["that AuthGate refused"]),
    (f"location / {{ error_page 401 @app; {P} }} {rewriting('^ /login?next=$request_uri')}", []),
    (f"location / {{ error_page 401 /no; {P} }} {denied('http://tasks$request_uri')}", ["that AuthGate refused"]),
    (f"location / {{ error_page 401 /no; {P} }} {denied('http://tasks')}", []),
    (f"location / {{ error_page 401 = @x; {P} }} location @x {{ rewrite ^ /login redirect; }}", []),
    (f"location / {{ error_page 401 = @x; {P} }} location @x {{ rewrite ^ /login permanent; }}", []),
    (f"location / {{ error_page 401 = @x; {P} }} location @x {{ rewrite ^/a /login redirect; }}", ["may be 200"]),
    (f"location / {{ error_page 401 = @x; {P} }} location @x {{ break; return 302 /login; }}", ["may be 200"]),
    ("location / { break; return 403; proxy_pass http://tasks; }", ["removes no header"]),
    ("location / { rewrite ^/x /y break; return 403; proxy_pass http://tasks; }", ["removes no header"]),
    ("location / { if ($arg_x) { break; } return 403; proxy_pass http://tasks; }", ["removes no header"]),
    ("location / { return 403; break; proxy_pass http://tasks; }", []),
    (f"error_page 404 @app; {APP}", []),
    (f"location / {{ error_page 413 @app; {P} }} {APP}", ["nginx answers 413 before it asks"]),
    (f"location / {{ limit_req zone=x; error_page 503 @app; {P} }} {APP}", ["nginx answers 503 before it asks"]),
    (f"location / {{ error_page 502 503 504 @app; {P} }} {APP}", []),
    (f"location / {{ error_page 401 /login.html; {P} }}", []),
    (f"location / {{ error_page 401 https://login.example.com/; {P} }}", []),
    (f"location / {{ error_page 401 @nowhere; {P} }}", ["no location @nowhere"]),
    (f"location / {{ {P} error_page 401 =200 /login.html; }}", []),  # the first counts
    (f"error_page 401 =200 /login.html; location / {{ {P} }}", []),  # the location has its own
    ("rewrite ^ /x break; " + PROTECTED, []),  # after the checks, which are in authgate_server.conf
]  # fmt: skip


@pytest.mark.parametrize(("locations", "parts"), MISTAKES, ids=[text[:100] for text, _ in MISTAKES])
def test_a_mistake_in_a_location_is_an_error(locations: str, parts: list[str]) -> None:
    found = {*errors(check(main(f"{locations} location /asks/ {{ {P} }}")))}
    assert len(found) == len(parts), found
    assert all(any(part in message for message in found) for part in parts), found


UTF_8 = next(
    line.strip() for line in GENERATED["authgate_http.conf"].splitlines() if line.endswith('"";') and "^%" in line
)
ASKED = "location = /_authgate {\n    internal;"
# (a part of the generated files, what is there instead, a part of the finding)
CHANGES = [
    ("authgate_http.conf", "underscores_in_headers off", "underscores_in_headers on", "X_User_Id passes"),
    ("authgate_http.conf", "ignore_invalid_headers on", "ignore_invalid_headers off", "X_User_Id passes"),
    ("authgate_http.conf", "map $request_uri $authgate_path", "map $uri $authgate_path", "are read from"),
    ("authgate_http.conf", "default $authgate_not_utf_8;", 'default $authgate_not_utf_8; ~^/f/ "";', "takes paths"),
    ("authgate_http.conf", "default $authgate_not_utf_8;", "default $authgate_not_utf_8; ~^/f/ $x;", "takes paths"),
    ("authgate_http.conf", "default $authgate_not_utf_8;", "", '"not UTF-8"'),
    ("authgate_http.conf", "(?!/|https?://", "https://(?!", "names two hosts"),
    ("authgate_http.conf", '"~*//" 1;', '"~*//" ""; "~*//" 1;', '"empty segment"'),
    ("authgate_http.conf", '"~*^(\\S*) +', '~admin ""; "~*^(\\S*) +', "the row ~admin takes requests out of the check"),
    ("authgate_server.conf", "if ($authgate_ambiguous_path) {", "if ($mine) {", "are read from $arg_x"),
    ("authgate_server.conf", "proxy_pass http:", "proxy_pass https:", "the certificate of AuthGate is not verified"),
    (
        "authgate_server.conf",
        "proxy_pass http:",
        "proxy_ssl_verify off; proxy_pass https:",
        "the certificate of AuthGate is not verified",
    ),
    ("authgate_server.conf", "if ($authgate_ambiguous_path) {", "if ($arg_x) {", "are not refused"),
    ("authgate_server.conf", "if ($authgate_other_host) {", "if ($arg_x) {", "names two hosts"),
    ("authgate_server.conf", REFUSED, f"{APP}\n{REFUSED.replace(SHOWN, '@app')}", "passes on the paths"),
    ("authgate_server.conf", REFUSED, "location = /other {\n", "there is no such location"),
    ("authgate_server.conf", "    return 400;", "", "location = /_authgate_refused does not refuse them"),
    ("authgate_server.conf", "\nif (", "\nrewrite ^/a /b last;\nif (", "ends the rewriting"),
    ("authgate_server.conf", "\nif (", "\nbreak;\nif (", "ends the rewriting"),
    ("authgate_server.conf", "\nif (", "\nif ($request_method = POST) { break; }\nif (", "`if ($request_method"),
    ("authgate_server.conf", "\nif (", "\nif ($arg_x) { rewrite ^/a /b last; }\nif (", "`if ($arg_x) { ... }` ends"),
    ("authgate_server.conf", "    rewrite ^ /", "    break; rewrite ^ /", "names two hosts"),
    ("authgate_server.conf", "\nif (", '\nset $authgate_ambiguous_path "";\nif (', "changes $authgate_ambiguous_path"),
    ("authgate_server.conf", "\nif (", "\nset_by_lua_block $authgate_other_host { }\nif (", "$authgate_other_host"),
    ("authgate_server.conf", "\nif (", "\nif ($uri ~ (?<authgate_other_host>x)) { }\nif (", "$authgate_other_host"),
    ("authgate_http.conf", "underscores", "geo $authgate_not_utf_8 { default 0; }\nunderscores", "$authgate_not_utf_8"),
    ("authgate_http.conf", "underscores", "geoip2 x { $authgate_path source=$a; }\nunderscores", "$authgate_path"),
    ("authgate_http.conf", "underscores", "split_clients a $authgate_path { * x; }\nunderscores", "$authgate_path"),
    ("authgate_http.conf", '"~*;|%3b" 1;', '"~*;|%3b" ""; "~*;|%3b" 1;', '"semicolon"'),
    ("authgate_http.conf", "default $authgate_not_utf_8;", 'default $authgate_not_utf_8; "~^/f/" $x;', "takes paths"),
    ("authgate_http.conf", "default $authgate_not_utf_8;", f"default $authgate_not_utf_8; {UTF_8}", "takes paths"),
    ("authgate_server.conf", "$request_method;", "$http_x_original_method;", "X-Original-Method is set to"),
    ("authgate_server.conf", "$http_host$request_uri;", "$http_host$uri;", "X-Original-URL is set to"),
    ("authgate_server.conf", "X-Forwarded-For $remote_addr", "X-Forwarded-For $http_x_forwarded_for", "any address"),
    ("authgate_server.conf", "proxy_pass_request_body off", "proxy_pass_request_body on", "body of requests"),
    ("authgate_server.conf", "    internal;\n    proxy_pass", "    proxy_pass", "clients can send requests"),
    ("authgate_server.conf", "proxy_buffer_size 16k", "proxy_buffer_size 4k", "become a 500"),
    ("authgate_server.conf", "proxy_read_timeout 5s", "proxy_read_timeout 60s", "wait a minute"),
    ("authgate_server.conf", f"{ASKED}\n", f"{ASKED} proxy_cache x;\n", "answers of AuthGate are cached"),
    (
        "authgate_server.conf",
        f"{ASKED}\n",
        f"{ASKED} proxy_intercept_errors on; error_page 401 =200 /ok;\n",
        "before nginx looks at its status",
    ),
    ("authgate_upstream.conf", "keepalive 32;", "", "opens a connection"),
    ("authgate_http.conf", '"~*^websocket$" websocket;', "", "differs from what your configuration gives"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "part", "instead", "message"), CHANGES, ids=[f"{row[2]} {row[3]}"[-60:] for row in CHANGES]
)
def test_a_change_of_a_generated_file_is_found(file: str, part: str, instead: str, message: str) -> None:
    text = GENERATED[file]
    assert part in text
    files = GENERATED | {file: text.replace(part, instead, 1)}
    files["authgate_http.conf"] += 'map $arg_x $mine { default $authgate_ambiguous_path; "~." ""; }\n'
    assert any(message in finding.message for finding in check(main(PROTECTED + PUBLIC), files))


def test_a_file_from_before_the_tables_lacks_look_alikes_overrides_and_rows() -> None:
    old_http = """
map $request_uri $authgate_ambiguous_path {
    default 0;
    "~*^[^?]*(/|%2f)(\\.|%2e)" 1;
}
"""
    http = re.sub(r"map \$request_uri.*?(?=# Refuse a target)", "", GENERATED["authgate_http.conf"], flags=re.DOTALL)
    files = {name: re.sub(r"# Remove what imitates.*?\n\n|# Remove what imitates.*", "", text, flags=re.DOTALL)
             for name, text in GENERATED.items()} | {"authgate_http.conf": http + old_http}  # fmt: skip
    found = "\n".join(errors(check(main(PROTECTED + PUBLIC), files)))
    imitating = with_trailing_marks((*IDENTITY, *OVERRIDES))
    assert found.count(f"{imitating[0]}, ") == 2  # protected and public
    assert found.count(f" and {len(imitating) - 4} more headers reach the upstream") == 2
    assert found.count(named(OVERRIDES)) == 2
    for spelling in SPELLINGS:
        assert f'"{spelling.name}"' in found


def test_files_from_before_a_change_of_paths_are_a_warning() -> None:
    data = replace(default_settings(), refused=tuple(row for row in SPELLINGS if row.setting != "semicolon"))
    old, new = (warnings(check(main(PROTECTED), files, data)) for files in (GENERATED, nginx.files(data)))
    assert old == ['refuses paths that your configuration takes as data: "semicolon"']
    assert new == []


def test_a_public_location_refuses_the_paths_that_the_configuration_takes_as_data() -> None:
    """The files of the defaults refuse them everywhere, so they pass too."""
    kept = tuple(spelling for spelling in SPELLINGS if spelling.setting is None)
    settings = replace(default_settings(), refused=kept)
    files = nginx.files(settings)
    assert check(main(PROTECTED + PUBLIC), files, settings) == []
    assert errors(check(main(PROTECTED + PUBLIC), GENERATED, settings)) == []
    old = files | {
        "authgate_public.conf": GENERATED["authgate_public.conf"].replace("$authgate_data_in_path", "$arg_x")
    }
    (message,) = errors(check(main(PROTECTED + PUBLIC), old, settings))
    assert message.endswith('that only AuthGate can decide about: "semicolon", "encoded slash"')


SIGN_IN = "location @x { return 302 /login; }"
REDIRECTS = "every 401 becomes a redirect"
WARNED = [
    (f"location / {{ error_page 401 = @x; {P} }} {SIGN_IN}", REDIRECTS),
    (f"location / {{ error_page 401 403 @x; {P} }} {SIGN_IN.replace('302 ', 'https://login.example.com')}", REDIRECTS),
    (
        f"location / {{ error_page 401 @x; {P} }} {SIGN_IN.replace('return 302', 'rewrite ^')[:-3]} redirect; }}",
        REDIRECTS,
    ),
    (f"location / {{ error_page 401 https://login.example.com/; {P} }}", "401 https://login.example.com/: every 401"),
    (f"location / {{ error_page 401 /login; {P} }} location = /login {{ return 303 /sign-in; }}", REDIRECTS),
    (f"location / {{ error_page 401 @authgate_redirect; {P} }}", REDIRECTS),
    (f"location / {{ error_page 401 =302 /login; {P} }}", "401 =302 /login: it takes the place of AuthGate's answer"),
    (f"location / {{ error_page 401 /login.html; {P} }}", "so browsers are not sent to login_url"),
    ("location /x { auth_request /_authgate; return 200 secret; }", "AuthGate is never asked"),
    (f"include authgate_protect.conf; {PROTECTED} location /x {{ auth_request off; proxy_pass http://x; }}", "off"),
    (f"location / {{ {P} rewrite ^/a /b last; }}", "chooses another location"),
    (f"location / {{ {P} proxy_set_header Host $host; proxy_set_header Host $host; }}", "Host is set twice"),
    (f"location / {{ {P} proxy_set_header X-User-Id ''; }}", "X-User-Id is always empty"),
    (
        f"location / {{ {P} error_page 401 = @login; }} location @login {{ return 302 /; }}",
        "401 = @login is never used",
    ),
    (f"location /x/ {{ {P} }} location / {{ include authgate_public.conf; proxy_pass http://tasks; }}", "ignore case"),
]


def test_thousands_of_lines_before_thousands_of_locations_cannot_be_checked() -> None:
    locations = "".join(f"location /{number} {{ {P} }}" for number in range(1500))
    with pytest.raises(Unusable, match="too many lines"):
        check(main("error_page 401 /x;" * 1500 + locations))


COSTLY = ("(/?_?[a-z]+)+!", "(a|a)*!", "(a?)(a?)" * 20, "a*" * 20 + "!")


@pytest.mark.parametrize("pattern", COSTLY)
def test_a_pattern_that_would_take_years_to_match_is_left_out_with_a_warning(pattern: str) -> None:
    asking = f"location /x {{ {P} error_page 401 /{'a' * 60}; }}"
    found = check(main(f"location ~ ^/{pattern}$ {{ return 404; }} {asking}"))
    assert any("takes too long to match" in message for message in warnings(found))
    assert errors(found) == []


@pytest.mark.parametrize(("locations", "part"), WARNED, ids=[part for _, part in WARNED])
def test_what_may_be_meant_is_a_warning(locations: str, part: str) -> None:
    found = check(main(locations + PROTECTED if PROTECTED not in locations else locations))
    assert any(part in message for message in warnings(found)), found
    assert errors(found) == []


@pytest.mark.parametrize(
    "locations",
    [
        PROTECTED,  # the shipped answer is a redirect only if AuthGate says so
        f"location / {{ error_page 403 = @x; {P} }} {SIGN_IN}",
        f"location / {{ error_page 401 @x; {P} }} location @x {{ return 401 sign-in; }}",
        f"location / {{ error_page 401 @x; {P} }} location @x {{ if ($arg_x) {{ return 302 /login; }} return 401; }}",
        f"location / {{ error_page 401 /login.html; {P} }}",
        f"location / {{ {P} error_page 401 @x; }} {SIGN_IN}",  # never used
    ],
)
def test_an_error_page_that_does_not_redirect_every_401_is_not_a_warning(locations: str) -> None:
    assert not [message for message in warnings(check(main(locations))) if REDIRECTS in message]


def test_a_server_that_never_asks_is_an_error_only_before_a_protected_upstream() -> None:
    beside = "server { listen 81; location / { proxy_pass http://tasks; } }"
    other = "server { listen 82; location / { proxy_pass http://grafana; } }"
    redirect = "server { listen 80; return 301 https://$host$request_uri; location / { proxy_pass http://tasks; } }"
    assert len(errors(check(main(PROTECTED, servers=beside)))) == 1
    (warning,) = check(main(PROTECTED, servers=other))
    assert "never asks AuthGate" in warning.message
    assert check(main(PROTECTED, servers=redirect)) == []


@pytest.mark.parametrize(
    ("names", "servers", "is_warned"),
    [
        ("server_name app.example;", "", True),
        ("server_name app.example _;", "", False),
        ("", "", False),
        ("server_name app.example;", "server { listen 8080 default_server; return 444; }", False),
        ("server_name app.example;", "server { listen 8080; return 444; }", True),
        ("server_name app.example;", "server { listen 8081 default_server; return 444; }", True),
    ],
)
def test_a_server_for_some_hosts_that_gets_unknown_hosts_too_is_a_warning(
    names: str, servers: str, *, is_warned: bool
) -> None:
    found = check(main(names + PROTECTED, servers=servers))
    assert errors(found) == []
    assert [message[:26] for message in warnings(found)] == ["requests for unknown hosts"] * is_warned


def test_the_address_of_authgate_may_be_in_a_variable_as_ingress_nginx_writes_it() -> None:
    text = GENERATED["authgate_server.conf"]
    changed = text.replace(
        "proxy_pass http://authgate/auth/nginx;", "set $t http://authgate/auth/nginx; proxy_pass $t;"
    )
    assert changed != text
    assert check(main(PROTECTED), GENERATED | {"authgate_server.conf": changed}) == []


def test_a_file_in_which_nothing_asks_is_an_error() -> None:
    assert "no location asks AuthGate" in errors(check("http { server { location / { proxy_pass http://x; } } }"))


def test_a_file_without_a_server_cannot_be_checked() -> None:
    with pytest.raises(Unusable, match=re.escape("there is no server {} in an http {}")):
        check("location / { proxy_pass http://x; }")
