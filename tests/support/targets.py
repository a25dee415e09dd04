"""Spellings of the protected path /api/v1/tasks, and of what some server reads as that path.

A new row of `authgate.core.spellings` adds its examples here.
"""

from __future__ import annotations

from authgate.core.spellings import SPELLINGS

# "/" and "\" in every encoding that some server decodes: once, twice and thrice, in more bytes than UTF-8 allows, with
# Microsoft's %u, and as characters that are folded to a slash.
SLASHES = (
    *("/", "\\", "%2f", "%2F", "%5c", "%5C", "%252f", "%252F", "%255c", "%25252f", "%25255c", "%25%32%66"),
    *("%c0%af", "%e0%80%af", "%f0%80%80%af", "%c1%9c", "%c0%2f", "%u002f", "%u2215", "%e2%88%95", "%ef%bc%8f", "%00/"),
    *("//", "/./", "/%2e/", "/;/", "/;x=1/", ";/", ";x=1/", "%3b/", "%3B/", "%253b/", "/%09/", "%0a/", "%20/", "./"),
)
DOTS = (
    *("..", "%2e%2e", ".%2E", "%2e.", "%252e%252e", "%c0%ae%c0%ae", "..;", "..;x=1", "%2e%2e;", "..%3b", "..%00"),
    *("..%09", "..%20", "...", "%u002e%u002e", "%ef%bc%8e%ef%bc%8e"),
)
ENDS = (
    *("/", "//", "/.", "/..", ".", ";", ";x=1", "%3b", "%20", "%09", "%00", "%0a", "~", "*", "%2f", "%5c", "%2e", "\\"),
    *("#x", "%23", "?", "?x=/../..", "%3f", ".json", "%", "%2", "%ff", ":80"),
)
CASES = (
    *("/API/v1/tasks", "/Api/v1/tasks", "/aPI", "/%61%70%69/v1/tasks", "/%41PI/v1/tasks", "/%2561pi/v1/tasks"),
    *("/%61pi/v1/t%61sks", "/ap%C4%B1/v1/tasks", "/ap%C4%B0/v1/tasks", "/%ef%bd%81pi/v1/tasks", "/%u0061pi/v1/tasks"),
)
# The request names a host before the path, or seems to. HOST stands for the host of the request.
ABSOLUTE = (
    *("http://HOST/api/v1/tasks", "HTTP://HOST/api/v1/tasks", "http://HOST/API/v1/tasks", "https://HOST/api/v1/tasks"),
    *("http://HOST//api/v1/tasks", "http://HOST/x/../api/v1/tasks", "http://HOST\\api\\v1\\tasks", "http://HOST"),
    *("http://HOST?/api/v1/tasks", "http://HOST#/api/v1/tasks", "http://x@HOST/api/v1/tasks", "x://HOST/api/v1/tasks"),
    *("http://HOST:81/api/v1/tasks", "http://HOST./api/v1/tasks", "http:///api/v1/tasks", "http:/api/v1/tasks"),
    *("http:api/v1/tasks", "http:\\\\HOST\\api", "x:/api/v1/tasks", "x:api/v1/tasks", "HOST/api/v1/tasks"),
    *("HOST:80/api", "//HOST/api/v1/tasks", "///api/v1/tasks", "////api/v1/tasks", "/\\HOST/api/v1/tasks", "\\\\x/api"),
    *("//x@HOST/api/v1/tasks", "/http://HOST/api/v1/tasks", "/x:/api/v1/tasks", "/:80/api/v1/tasks", "/@x/api", "*"),
    *("api/v1/tasks", "?/api/v1/tasks", "#/api/v1/tasks", "/#/api/v1/tasks"),
)

# Everybody may ask for these.
ORDINARY = (
    *("/page", "/", "/?a=1", "/?x:api", "/?/api/v1/tasks", "/x:api", "/*", "/caf%c3%a9", "/%e2%82%ac", "/%e0%a4%85"),
    *("/%f0%9f%98%80", "/a..b/c...d", "/.well-known/x", "/x?y=/../z", "/x/%20y", "/..a/x", "/apis", "/x/api", "/a%23b"),
)


def _all() -> tuple[str, ...]:
    made = [
        "/api/v1/tasks",
        *ORDINARY,
        *(example for spelling in SPELLINGS for example in spelling.examples),
        *(f"/api{slash}v1{slash}tasks" for slash in SLASHES),
        *(f"{slash}api/v1/tasks" for slash in SLASHES),
        *(f"/x{slash}..{slash}api/v1/tasks" for slash in ("\\", "%2f", "%5c", "%252f", "%c0%af", ";/", "%3b/")),
        *(f"/{slash}x/api/v1/tasks" for slash in ("/", "\\", "%2f", "%5c")),
        *(f"/x/{dots}/api/v1/tasks" for dots in DOTS),
        *(f"/api/v1/tasks{end}" for end in ENDS),
        *CASES,
        *ABSOLUTE,
    ]
    # A space ends the target in HTTP/1.
    return tuple(dict.fromkeys(target for target in made if not {" ", "\n"} & {*target}))


TARGETS = _all()
