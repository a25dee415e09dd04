"""What clients got, as the table and the examples of docs/refusals.md."""

from __future__ import annotations

import re
from http import HTTPStatus
from itertools import groupby
from typing import TYPE_CHECKING

from authgate.core.reasons import Reason
from tests.support.processes import ROOT
from tests.support.refused import AMBIGUOUS, CLIENTS, DOWN, LOGIN_URL, LOOP, PROXIES, TWO_HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.client import Answer

    Answers = Mapping[tuple[str, str, str], Answer]

PAGE = ROOT / "docs" / "refusals.md"
START, END = "<!-- table -->\n", "<!-- end of the table -->\n"
NAMES = {"nginx": "nginx", "traefik": "Traefik", "caddy": "Caddy"}
PROBLEM, HTML = "application/problem+json", "text/html; charset=utf-8"

# The examples: a heading, the refusal, and the client.
EXAMPLES = (
    ("A redirect to sign in", "no_credential", "browser"),
    ("A page", "no_credential", "browser, no `login_url`"),
    ("A page for a form that was sent without a session", "no_credential", "form"),
    ("A page for a user who is not allowed", "forbidden", "browser"),
    ("Problem details", "expired", "program"),
    ("Problem details for a page of another origin", "no_credential", "script, origin in `cors`"),
    ("A missing scope", "insufficient_scope", "program"),
    ("A sign-in that is too old", "insufficient_user_authentication", "program"),
    ("A sign-in that is too old, in a browser", "insufficient_user_authentication", "browser"),
    ("The end of a loop", LOOP, "browser"),
    ("AuthGate cannot decide", "keys_unavailable", "program"),
    ("AuthGate does not answer: a person", DOWN, "browser"),
    ("AuthGate does not answer: a program", DOWN, "program"),
    ("An ambiguous path, refused by the proxy", AMBIGUOUS, "program"),
)
# Headers of the connection, and those that differ in each answer.
_LEFT_OUT = frozenset({"alt-svc", "connection", "content-length", "date", "server", "transfer-encoding", "via"})
# Traefik and Caddy write other capitals.
_SPELLED = {"Www-Authenticate": "WWW-Authenticate", "X-Authgate-Reason": "X-AuthGate-Reason"}


def written(answers: Answers) -> str:
    """Return what belongs between the marks of the page."""
    return "\n".join((*_table(answers), "", *_examples(answers)))


def shown() -> str:
    """Return what is between the marks now."""
    return PAGE.read_text().partition(START)[2].partition(END)[0]


def write(text: str) -> None:
    """Write *text* between the marks of the page."""
    before, _, after = PAGE.read_text().partition(START)
    PAGE.write_text(f"{before}{START}{text}{END}{after.partition(END)[2]}")


def cell(refusal: str, answer: Answer) -> str:
    """Return *answer* in a few words."""
    if answer.status == HTTPStatus.OK:
        return "passes"
    if refusal == TWO_HOSTS and answer.status != HTTPStatus.BAD_REQUEST:
        return "decided for the first line's host"
    location = answer.header("Location")
    if location:
        assert location.startswith(LOGIN_URL)
        return f"{answer.status} → `login_url`" + (" with `max_age`" if "max_age=" in location else "")
    kind = {PROBLEM: "problem", HTML: "loop page" if refusal == LOOP else "page"}
    what = kind.get(answer.header("Content-Type") or "", "nginx's own page" if answer.body else "without a body")
    return f"{answer.status} {what}" + (" + CORS" if answer.header("Access-Control-Allow-Origin") else "")


def _table(answers: Answers) -> Iterator[str]:
    yield "| Refusal | Client | " + " | ".join(NAMES.values()) + " |"
    yield "|---|---|" + "---|" * len(NAMES)
    rows: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for refusal, _ in groupby(answers, key=lambda key: key[0]):
        rows.setdefault(_rows(refusal, answers), []).append(refusal)
    for lines, refusals in rows.items():
        names = ", ".join(f"`{name}`" if name in {*Reason} else name for name in refusals)
        for line in lines:
            yield f"| {names} | " + " | ".join(line) + " |"
            names = ""


def _rows(refusal: str, answers: Answers) -> tuple[tuple[str, ...], ...]:
    """Return the rows of *refusal*. Clients that get the same share one."""
    clients: dict[tuple[str, ...], list[str]] = {}
    for client in (each.name for each in CLIENTS):
        if (refusal, client, PROXIES[0]) in answers:
            cells = tuple(cell(refusal, answers[refusal, client, proxy]) for proxy in PROXIES)
            clients.setdefault(cells, []).append(client)
    return tuple(
        ("every client" if len(names) == len(CLIENTS) else "; ".join(names), *cells) for cells, names in clients.items()
    )


def _examples(answers: Answers) -> Iterator[str]:
    for heading, refusal, client in EXAMPLES:
        yield f"### {heading}\n"
        texts: dict[str, list[str]] = {}
        for proxy in PROXIES:
            texts.setdefault(text(answers[refusal, client, proxy]), []).append(NAMES[proxy])
        asked = f"`{refusal}`" if refusal in {*Reason} else refusal
        for answer, proxies in texts.items():
            yield f"{', '.join(proxies)}; {asked}; {client}:\n\n```http\n{answer}```\n"


def text(answer: Answer) -> str:
    """Return status line, headers and body of *answer*, without what differs each time."""
    headers = sorted((_SPELLED.get(name, name), value) for name, value in answer.headers)
    lines = [f"{name}: {value}" for name, value in headers if name.lower() not in _LEFT_OUT]
    head = "\n".join((f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}", *lines))
    whole = f"{head}\n\n{answer.body.decode().replace(chr(13), '').strip()}".strip() + "\n"
    request_id = answer.header("X-Request-Id")
    whole = whole.replace(request_id, "5b0c…") if request_id else whole
    whole = re.sub(r"authgate_redirects=[^;]+", "authgate_redirects=…", whole)
    whole = re.sub(r"nginx/[\d.]+", "nginx", whole)
    return re.sub(r"<style>.*</style>", "<style>…</style>", whole)
