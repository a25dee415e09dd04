"""Reads a curl command as a shell and curl would, and returns the request that it sends.

Nothing is run, and no file that the command names is opened. Messages never quote the command: it holds a credential.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_CURL = re.compile(r"(?:\$ +)?curl(?:\.exe)?\s")
_OPERATORS = "|&;<>"

# Chrome's "Copy as cURL (cmd)": cmd.exe escapes any character with ^, a line break too; each argument begins with ^".
_CMD = re.compile(r"\s\^[\"\r\n]")
_CMD_ESCAPE = re.compile(r"\^(?:\r?\n)?(.?)", re.DOTALL)

# What shlex does not know: $'…' (ANSI-C quoting, which browsers write), a backslash before a line break, and $ and `.
_SHELL = re.compile(
    r"""\$'(?P<ansi>(?:[^'\\]|\\.)*)'
      | '[^']*'
      | "(?P<double>(?:[^"\\]|\\.)*)"
      | (?P<continued>\\\r?\n)
      | \\.
      | (?P<expanded>`|\$[A-Za-z_{(])""",
    re.DOTALL | re.VERBOSE,
)
_ANSI_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{1,4}|U[0-9A-Fa-f]{1,8}|x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_ANSI = {"a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
# Within double quotes a backslash escapes only these (POSIX.1-2024 XCU 2.2.3).
_DOUBLE_ESCAPE = re.compile(r"\\(?:(?P<character>[$`\"\\])|\r?\n)|(?P<expanded>`|\$[A-Za-z_{(])")

_VARIABLE = "the curl command holds a shell variable ($NAME): put its value there"

_URL = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<authority>[^/?#]*)(?P<target>[^#]*)", re.DOTALL)

# The options that determine the request. Every other option is skipped, with its value if it takes one.
_LONG_NAMES = {"H": "header", "b": "cookie", "X": "request", "u": "user", "d": "data", "F": "form", "T": "upload-file",
               "I": "head", "G": "get", "K": "config", ":": "next"}  # fmt: skip
_WITH_BODY = {"data", "data-ascii", "data-binary", "data-raw", "data-urlencode", "json", "form", "form-string"}
# The options that take a value in curl 7.88 to 8.17.
_OTHER_LONG_WITH_VALUE = """
    abstract-unix-socket alt-svc aws-sigv4 cacert capath cert cert-type ciphers config connect-timeout connect-to
    continue-at cookie cookie-jar create-file-mode crlfile curves delegation dns-interface dns-ipv4-addr
    dns-ipv6-addr dns-servers doh-url dump-header ech egd-file engine etag-compare etag-save expect100-timeout
    ftp-account ftp-alternative-to-user ftp-method ftp-port ftp-ssl-ccc-mode happy-eyeballs-timeout-ms
    haproxy-clientip header help hostpubmd5 hostpubsha256 hsts interface ip-tos ipfs-gateway keepalive-cnt
    keepalive-time key key-type knownhosts krb libcurl limit-rate local-port login-options mail-auth mail-from
    mail-rcpt max-filesize max-redirs max-time netrc-file noproxy oauth2-bearer output output-dir parallel-max
    parallel-max-host pass pinnedpubkey preproxy proto proto-default proto-redir proxy proxy-cacert proxy-capath
    proxy-cert proxy-cert-type proxy-ciphers proxy-crlfile proxy-header proxy-key proxy-key-type proxy-pass
    proxy-pinnedpubkey proxy-service-name proxy-tls13-ciphers proxy-tlsauthtype proxy-tlspassword proxy-tlsuser
    proxy-user proxy1.0 pubkey quote random-file range rate referer request request-target resolve retry retry-delay
    retry-max-time sasl-authzid service-name sigalgs socks4 socks4a socks5 socks5-gssapi-service socks5-hostname
    speed-limit speed-time ssl-sessions stderr telnet-option tftp-blksize time-cond tls-max tls13-ciphers
    tlsauthtype tlspassword tlsuser trace trace-ascii trace-config unix-socket upload-file upload-flags url
    url-query user user-agent variable vlan-priority write-out
"""
_SHORT_WITH_VALUE = frozenset("AbcCdDeEFhHKmoPQrtTuUwxXyYz")
_LONG_WITH_VALUE = _WITH_BODY | {*_OTHER_LONG_WITH_VALUE.split()}


def is_curl(text: str) -> bool:
    """Whether *text* begins as a curl command does."""
    return _CURL.match(text) is not None


def read(text: str) -> dict[str, Any]:
    """Return the request that the curl command *text* sends, in the form that `explain --request` reads.

    Raises ValueError, with a message for people, if the command alone does not determine one request.
    """
    options: dict[str, list[str]] = {}
    for name, value in _options(_words(text)):
        options.setdefault(name, []).append(value)
    if "config" in options:
        raise ValueError("-K names a file, and explain opens no files: write the file's options into the command")
    urls = options.get("url", [])
    if len(urls) != 1 or "next" in options:
        raise ValueError(
            f"explain decides one request: the command needs one URL and no --next; it has {len(urls)} URLs"
        )
    headers = _headers(options)
    url, user = split_user(urls[0], next((value for name, value in headers if name.lower() == "host"), ""))
    if user and not any(name.lower() == "authorization" for name, _ in headers):
        headers.append(basic(user))
    return {"method": _method(options), "url": url, "headers": headers}


def _words(text: str) -> deque[str]:
    """Return the words after `curl`, without the shell's quoting, up to a pipe, a redirection or the like."""
    is_cmd = _CMD.search(text) is not None
    if is_cmd:
        text = _CMD_ESCAPE.sub(r"\1", text)
    text = _SHELL.sub(partial(_for_shlex, expands=not is_cmd), text.removeprefix("$"))
    lexer = shlex.shlex(text, posix=True, punctuation_chars=_OPERATORS)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = deque(lexer)
    except ValueError:
        raise ValueError("the curl command is cut off: paste all of it") from None
    words.popleft()
    return words


def _for_shlex(match: re.Match[str], *, expands: bool) -> str:
    """Return the quoted text *match* with quotes that shlex understands. *expands*: the shell expands $NAME."""
    if match["expanded"] and expands:
        raise ValueError(_VARIABLE)
    if match["continued"]:
        return ""
    if match["double"] is not None:
        return shlex.quote(_DOUBLE_ESCAPE.sub(partial(_double_escape, expands=expands), match["double"]))
    return match[0] if match["ansi"] is None else shlex.quote(_ANSI_ESCAPE.sub(_ansi, match["ansi"]))


def _double_escape(match: re.Match[str], *, expands: bool) -> str:
    if match["expanded"] and expands:
        raise ValueError(_VARIABLE)
    return match["expanded"] or match["character"] or ""


def _ansi(match: re.Match[str]) -> str:
    escape = match[1]
    if escape[0] in "uUx" and len(escape) > 1:
        number = int(escape[1:], 16)
        return chr(number) if number <= 0x10FFFF else "\ufffd"
    return chr(int(escape, 8)) if escape[0] in "01234567" else _ANSI.get(escape, escape)


def _options(words: deque[str]) -> Iterator[tuple[str, str]]:
    """Yield the long name and the value ("" for a switch) of each option. Any other word is a `url`."""
    only_urls = False
    while words:
        word = words.popleft()
        if word and set(word) <= set(_OPERATORS):
            return
        if only_urls or not word.startswith("-") or word == "-":
            if not (word.isdigit() and words and words[0][:1] in {"<", ">"}):  # 2>/dev/null
                yield "url", word
        elif word == "--":
            only_urls = True
        elif word.startswith("--"):
            name = word.removeprefix("--")
            yield name, _value(name, words) if name in _LONG_WITH_VALUE else ""
        else:
            yield from _short_options(word.removeprefix("-"), words)


def _short_options(letters: str, words: deque[str]) -> Iterator[tuple[str, str]]:
    """Yield the options in *letters*: -sSXPOST is -s, -S and -X with the value POST."""
    for position, letter in enumerate(letters, 1):
        name = _LONG_NAMES.get(letter, letter)
        if letter in _SHORT_WITH_VALUE:
            yield name, letters[position:] or _value(name, words)
            return
        yield name, ""


def _value(name: str, words: deque[str]) -> str:
    if not words:
        raise ValueError(f"the last option of the curl command ({name}) has no value")
    return words.popleft()


def _method(options: dict[str, list[str]]) -> str:
    if "request" in options:
        return options["request"][-1]
    if "head" in options:
        return "HEAD"
    if "upload-file" in options:
        return "PUT"
    return "POST" if _WITH_BODY & options.keys() and "get" not in options else "GET"


def _headers(options: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Return the headers that the options set. As in curl, -H takes precedence over the other options."""
    headers: list[tuple[str, str]] = []
    given = set()
    for line in options.get("header", []):
        if line.startswith("@"):
            raise ValueError("-H names a file, and explain opens no files: write the file's headers into the command")
        name, colon, value = line.partition(":")
        given.add((name if colon else line.removesuffix(";")).strip().lower())
        if colon and value.strip():  # "Name:" makes curl leave the header out, even where an option would set it
            headers.append((name.strip(), value.strip()))
        elif not colon and line.endswith(";"):  # "Name;" is an empty header
            headers.append((line.removesuffix(";").strip(), ""))
    cookies = options.get("cookie", [])
    if not all("=" in cookie for cookie in cookies):
        raise ValueError("-b names a file, and explain opens no files: write the file's cookies into the command")
    if cookies and "cookie" not in given:
        headers.append(("Cookie", ";".join(cookies)))
    if "authorization" not in given:
        if "oauth2-bearer" in options:
            headers.append(("Authorization", f"Bearer {options['oauth2-bearer'][-1]}"))
        elif "user" in options:
            headers.append(basic(options["user"][-1]))
    return headers


def basic(user: str) -> tuple[str, str]:
    """Return the header with *user*, which is user:password."""
    return "Authorization", f"Basic {base64.b64encode(user.encode('utf-8', 'surrogatepass')).decode()}"


def split_user(url: str, host: str = "") -> tuple[str, str]:
    """Return the requested URL and the user in *url* ("" if none). *host*, if not "", replaces the URL's host."""
    match = _URL.match(url)
    if match is None or (not match["scheme"] and not match["authority"]):
        return url.partition("#")[0], ""
    user, _, authority = match["authority"].rpartition("@")
    target = match["target"] if match["target"].startswith("/") else f"/{match['target']}"
    return f"{match['scheme'] or 'http'}://{host or authority}{target}", user
