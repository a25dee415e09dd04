"""Headers of clients: browsers, programs, and what imitates a browser."""

from __future__ import annotations

CLIENTS: list[tuple[str, ...]] = [
    (),
    ("Sec-Fetch-Mode: navigate",),
    ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Accept: */*", "X-Requested-With: x"),
    ("Sec-Fetch-Mode: cors", "Accept: text/html"),
    ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Mode: cors"),
    ("Sec-Fetch-Mode: NAVIGATE",),
    ("Sec-Fetch-Site: none", "Accept: text/html"),
    ("Sec-Fetch-Dest: empty", "Accept: text/html"),
    ("Sec-Fetch-User: ?1", "Accept: text/html"),
    ("Sec-Fetch-Mode: navigate", "Sec-WebSocket-Key: x"),
    ("Accept: text/html", "Sec-WebSocket-Key: x"),
    ("Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",),
    ("Accept: application/json, Text/HTML ;q=0.5",),
    ("Accept: application/json", "Accept: text/html"),
    ("Accept: */*",),
    ("Accept: text/*",),
    ("Accept: text/htmlx, xtext/html",),
    ("Accept: text/html;q=0",),
    ("Accept: text/html;level=1; Q=0.000 , */*",),
    ("Accept: text/html;q=0.001, application/json;q=0",),
    ("Accept: text/html", "X-Requested-With: XMLHttpRequest"),
]
