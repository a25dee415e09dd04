"""Curl commands as people paste them: read as a shell and curl would read them, without running anything."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authgate.cli import _curl
from tests.support import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

# As Chrome 142 copies a request on Linux and macOS.
CHROME = r"""curl 'https://app.example.com/api/v1/tasks?done=false' \
  -X 'PATCH' \
  -H 'accept: application/json' \
  -H 'accept-language: en-GB,en;q=0.9' \
  -b $'theme=dark; better-auth.session_token=abc.d%2Bf%3D; greeting=don\'t\u0021' \
  -H 'origin: https://app.example.com' \
  -H 'sec-ch-ua: "Chromium";v="142", "Not A(Brand";v="24"' \
  -H 'sec-fetch-site: same-origin' \
  --data-raw $'{"title":"it\'s\\n"}'"""
# As Chrome copies it on Windows, "Copy as cURL (cmd)".
CHROME_CMD = r"""curl ^"https://app.example.com/api/v1/tasks?done=false^&page=2^" ^
  -H ^"accept: application/json^" ^
  -b ^"theme=dark; better-auth.session_token=abc.d%^2Bf%^3D^" ^
  -H ^"sec-ch-ua: ^\^"Chromium^\^";v=^\^"142^\^"^" ^
  -H ^"x-note: 100^$ ^& it's^" ^
  --data-raw ^"^{^\^"title^\^":^\^"a^\^"^}^"
""".replace("\n", "\r\n")
# As Firefox 145 copies it.
FIREFOX = r"""curl 'https://app.example.com/api/v1/tasks' \
  --compressed \
  -X POST \
  -H 'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0' \
  -H 'Authorization: Bearer eyJ.e30.c2ln' \
  -H 'Sec-Fetch-Site: same-origin' \
  -H 'Cookie: access_token=eyJ.e30.c2ln' \
  --data-raw '{"title":"a"}'"""
# As Safari 26 copies it.
SAFARI = r"""curl 'https://app.example.com/api/v1/tasks' \
-X 'GET' \
-H 'Accept: */*' \
-H 'Cookie: access_token=eyJ.e30.c2ln'"""


def headers_of(request: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in request["headers"]}


def test_a_copy_from_chrome_is_read() -> None:
    request = _curl.read(CHROME)
    assert request["method"] == "PATCH"
    assert request["url"] == "https://app.example.com/api/v1/tasks?done=false"
    headers = headers_of(request)
    assert headers["cookie"] == "theme=dark; better-auth.session_token=abc.d%2Bf%3D; greeting=don't!"
    assert headers["origin"] == "https://app.example.com"
    assert headers["sec-ch-ua"] == '"Chromium";v="142", "Not A(Brand";v="24"'


def test_a_copy_from_chrome_on_windows_is_read() -> None:
    request = _curl.read(CHROME_CMD)
    assert request["method"] == "POST"
    assert request["url"] == "https://app.example.com/api/v1/tasks?done=false&page=2"
    headers = headers_of(request)
    assert headers["cookie"] == "theme=dark; better-auth.session_token=abc.d%2Bf%3D"
    assert headers["sec-ch-ua"] == '"Chromium";v="142"'
    assert headers["x-note"] == "100$ & it's"


def test_copies_from_firefox_and_safari_are_read() -> None:
    request = _curl.read(FIREFOX)
    assert (request["method"], request["url"]) == ("POST", "https://app.example.com/api/v1/tasks")
    assert headers_of(request)["authorization"] == "Bearer eyJ.e30.c2ln"
    assert headers_of(request)["cookie"] == "access_token=eyJ.e30.c2ln"
    request = _curl.read(SAFARI)
    assert (request["method"], headers_of(request)["cookie"]) == ("GET", "access_token=eyJ.e30.c2ln")


@pytest.mark.parametrize(
    ("arguments", "method", "url"),
    [
        ("http://a/x", "GET", "http://a/x"),
        ("-s /api/v1/tasks", "GET", "/api/v1/tasks"),
        ("a.example:8080/x", "GET", "http://a.example:8080/x"),
        ("https://a.example", "GET", "https://a.example/"),
        ("'https://a.example?q=1'", "GET", "https://a.example/?q=1"),
        ("https://a/x#part", "GET", "https://a/x"),
        ("--url https://a/x", "GET", "https://a/x"),
        ("-XDELETE https://a/x", "DELETE", "https://a/x"),
        ("-sSLX DELETE https://a/x", "DELETE", "https://a/x"),
        ("--request PUT https://a/x", "PUT", "https://a/x"),
        ("-X POST -X PUT https://a/x", "PUT", "https://a/x"),
        ("-I https://a/x", "HEAD", "https://a/x"),
        ("-d a=b https://a/x", "POST", "https://a/x"),
        ("--json '{}' https://a/x", "POST", "https://a/x"),
        ("-F file=@/etc/passwd https://a/x", "POST", "https://a/x"),
        ("-G -d a=b https://a/x", "GET", "https://a/x"),
        ("-T /etc/passwd https://a/x", "PUT", "https://a/x"),
        ("-o /tmp/out -w '%{http_code}' -m5 https://a/x", "GET", "https://a/x"),
        ("--proxy http://p:3128 --resolve a:443:127.0.0.1 https://a/x", "GET", "https://a/x"),
        ("-k --http2 -- https://a/x", "GET", "https://a/x"),
        ("https://a/x 2>/dev/null | jq .", "GET", "https://a/x"),
        ("https://a/x > out.json; echo done", "GET", "https://a/x"),
        ("-d '|' https://a/x", "POST", "https://a/x"),
        ('-H "Host: app.example.com" http://127.0.0.1:8080/x', "GET", "http://app.example.com/x"),
        ("-H 'Host: app.example.com' /x", "GET", "/x"),
    ],
)
def test_method_and_url_are_those_that_curl_would_send(arguments: str, method: str, url: str) -> None:
    request = _curl.read(f"curl {arguments}")
    assert (request["method"], request["url"]) == (method, url)


@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        ("-H 'A: b' -H 'A:  c '", [("A", "b"), ("A", "c")]),
        ("-H'A: b'", [("A", "b")]),
        ("-H A:b", [("A", "b")]),
        ('-H "A: \\"b\\" \\$5 \\\\"', [("A", '"b" $5 \\')]),
        ("-H 'A: '\"b\"c", [("A", "bc")]),
        ("-H $'A: \\x62\\143\\u00e9'", [("A", "bcé")]),
        ("-H 'Accept:' -H 'Empty;'", [("Empty", "")]),
        ("--header 'A: b' --user-agent x -e http://r/ --compressed", [("A", "b")]),
        ("-b a=1 --cookie b=2", [("Cookie", "a=1;b=2")]),
        ("-b a=1 -H 'cookie: c=3'", [("cookie", "c=3")]),
        ("--oauth2-bearer abc", [("Authorization", "Bearer abc")]),
        ("-u ada:pw", [("Authorization", "Basic YWRhOnB3")]),
        ("-u ada:pw -H 'authorization: Bearer x'", [("authorization", "Bearer x")]),
    ],
)
def test_headers_are_those_that_the_options_set(arguments: str, headers: list[tuple[str, str]]) -> None:
    assert _curl.read(f"curl {arguments} http://a/")["headers"] == headers


def test_the_user_in_the_url_becomes_a_header_and_leaves_the_url() -> None:
    request = _curl.read("curl https://ada:pw@app.example.com/x")
    assert request["url"] == "https://app.example.com/x"
    assert request["headers"] == [("Authorization", "Basic YWRhOnB3")]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ("-H 'A: canary", "paste all of it"),
        ("http://a/canary \\", "paste all of it"),
        ("-H 'Authorization: Bearer canary'", "0 URLs"),
        ("http://a/canary http://b/", "2 URLs"),
        ("http://a/canary --next http://b/", "2 URLs"),
        ("http://a/ -H", "no value"),
        ('-H "Authorization: Bearer $CANARY" http://a/', "a shell variable"),
        ('-H "Authorization: Bearer ${CANARY}" http://a/', "a shell variable"),
        ('-H "Authorization: Bearer $(cat canary)" http://a/', "a shell variable"),
        ("-b session=$CANARY http://a/", "a shell variable"),
        ("-b `cat canary` http://a/", "a shell variable"),
        ("-H @/etc/passwd http://a/", "-H names a file"),
        ("-b /etc/passwd http://a/", "-b names a file"),
        ("-K /etc/passwd http://a/", "-K names a file"),
    ],
)
def test_what_the_command_alone_does_not_say_is_a_message_that_quotes_nothing(arguments: str, part: str) -> None:
    with pytest.raises(ValueError, match=re.escape(part)) as error:
        _curl.read(f"curl {arguments}")
    assert "canary" not in str(error.value).lower()
    assert "passwd" not in str(error.value)


def test_no_file_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **_: object) -> None:
        raise AssertionError(f"opened {arguments}")

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr("io.open", refuse)
    monkeypatch.setattr("os.open", refuse)
    request = _curl.read("curl -d @/etc/passwd --data-binary @x -F a=@y --cacert z -E w --json @v http://a/")
    assert request == {"method": "POST", "url": "http://a/", "headers": []}


@pytest.mark.parametrize("text", ["curl http://a/", "$ curl http://a/", "curl.exe http://a/", "curl\n  http://a/"])
def test_a_command_may_begin_with_a_prompt(text: str) -> None:
    assert _curl.is_curl(text)
    assert _curl.read(text)["url"] == "http://a/"


@pytest.mark.parametrize("text", ["curly http://a/", "http://a/?x=curl ", "echo curl http://a/", "curl"])
def test_other_text_is_no_curl_command(text: str) -> None:
    assert not _curl.is_curl(text)


@given(st.text(max_size=200))
@example("'\\")
@example("$'\\U00110000' http://a/")
@example("-H $'A: \\ud83d' http://a/")
def test_any_text_is_read_or_gets_a_message(text: str) -> None:
    try:
        request = _curl.read(f"curl {text}")
    except ValueError:
        return
    assert isinstance(request["url"], str)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60).map(lambda text: f"x{text}x"))
def test_a_quoted_value_is_read_as_a_shell_reads_it(value: str) -> None:
    escaped = re.sub(r"([\\$`\"])", r"\\\1", value)
    ansi = "".join(f"\\x{ord(character):02x}" for character in value)
    for quoted in ("'{}'".format(value.replace("'", "'\\''")), f'"{escaped}"', f"$'{ansi}'"):
        assert _curl.read(f"curl -H A:{quoted} http://a/")["headers"] == [("A", value)]


# -- beside the real curl --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def curl() -> str:
    return processes.program("curl", fix="apt-get install curl")


@pytest.fixture(scope="module")
def echo_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with processes.echo(tmp_path_factory.mktemp("echo")) as port:
        yield port


def test_every_option_of_the_installed_curl_that_takes_a_value_is_known(curl: str) -> None:
    text = subprocess.run([curl, "--help", "all"], capture_output=True, text=True, timeout=30, check=True).stdout
    options = re.findall(r"^ *(?:-(.), )?--([a-z0-9.-]+)(?: +[<\[](?!.*\] ))?", text, re.MULTILINE)
    with_value = re.findall(r"^ *(?:-(.), )?--([a-z0-9.-]+) [<\[]", text, re.MULTILINE)
    assert len(options) > len(with_value) > 100
    assert {name for _, name in with_value} <= _curl._LONG_WITH_VALUE
    switches = {name for _, name in options} - {name for _, name in with_value}
    assert not switches & _curl._LONG_WITH_VALUE
    short = {letter for letter, _ in with_value if letter}
    assert {letter for letter, _ in options if letter in _curl._SHORT_WITH_VALUE} == short


@pytest.mark.parametrize(
    "arguments",
    [
        "-X PATCH -H 'X-A: it'\\''s' -b $'session=a\\'b; c=d' --data-raw '{}' 'URL/api?q=1#part'",
        '-s -H "X-A: \\"quoted\\" \\\\ \\$5" -H X-B:1 -H "X-Empty;" URL/x 2>&1',
        "-u ada:pw -G -A agent URL/x",
        "--oauth2-bearer abc -b a=1 -b b=2 -sSd body URL",
        "-b a=1 -H 'Cookie: c=3' -u ada:pw -H 'Authorization: Bearer x' URL/y \\\n  -H 'X-Late: 1'",
        "-H 'X-A: one' -H 'X-A: two' --json '{\"a\":1}' URL/z",
    ],
)
def test_the_real_curl_sends_what_was_read(curl: str, echo_port: int, arguments: str) -> None:
    command = f"curl {arguments.replace('URL', f'http://127.0.0.1:{echo_port}')}"
    bash = processes.program("bash", fix="apt-get install bash")
    script = command.replace("curl", curl, 1)
    sent = json.loads(
        subprocess.run([bash, "-c", script], capture_output=True, text=True, timeout=30, check=True).stdout
    )
    request = _curl.read(command)
    assert request["method"] == sent["method"]
    assert request["url"].partition(f":{echo_port}")[2] == sent["path"]
    for name in ("authorization", "cookie", "x-a", "x-b", "x-empty", "x-late"):
        assert values(request, name) == values(sent, name)


def values(request: dict[str, Any], name: str) -> list[str]:
    return [value for header, value in request["headers"] if header.lower() == name]


@pytest.mark.parametrize(
    "options", ["-H 'Cookie:' -b a=1", "-H 'authorization:' -u ada:x", "--oauth2-bearer x -H Authorization:"]
)
def test_a_header_that_is_left_out_stays_out_where_an_option_would_set_it(options: str) -> None:
    """Checked against curl 7.88."""
    assert _curl.read(f"curl {options} https://a/")["headers"] == []
