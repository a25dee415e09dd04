"""The pages that AuthGate shows to people: one small HTML document, without scripts and outside resources.

The same document is a template for the proxies that cannot relay a body (`proxies/nginx`): `document` takes any text in
place of the words, such as the names of variables.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authgate.core.pages import Look, Page

CONTENT_TYPE = "text/html; charset=utf-8"
# All pages of a configuration have one look. A reload may bring another.
_MAX_LOOKS = 8
_COLOR = "#4a6fa5"
_OF_PROXIES = "$\\{}`"  # they begin and end variables and text in the proxies' files
_MAIL = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")
# Black has more contrast than white on a color that is lighter than this (WCAG 2.2, contrast ratio).
_LIGHT = 0.179

_STYLE = (
    "html{color-scheme:light dark;--back:#f3f4f6;--card:#fff;--text:#1b1b1f;--soft:#565761;--line:#e1e2e7;"
    "--link:#174ea6}"
    "@media(prefers-color-scheme:dark){html{--back:#111114;--card:#1d1d22;--text:#ececf1;--soft:#b4b5bf;"
    "--line:#36363f;--link:#9ec1ff}}"
    "*{box-sizing:border-box}"
    "body{margin:0;min-height:100vh;padding:1rem;display:grid;place-items:center;background:var(--back);"
    "color:var(--text);font:1rem/1.5 system-ui,sans-serif}"
    "main{width:min(30rem,100%);padding:1.75rem;background:var(--card);border:1px solid var(--line);"
    "border-top:.375rem solid COLOR;border-radius:.5rem;box-shadow:0 .5rem 2rem #0000001a;overflow-wrap:anywhere}"
    "header{margin-bottom:1.5rem;font-weight:600;color:var(--soft)}"
    "h1{margin:0 0 .75rem;font-size:1.5rem;line-height:1.25}p{margin:0 0 1.5rem}"
    "a{color:var(--link)}a:focus-visible{outline:3px solid var(--link);outline-offset:3px}"
    "main>p>a{display:inline-block;padding:.625rem 1.25rem;border-radius:.375rem;background:COLOR;color:INK;"
    "font-weight:600;text-decoration:none}main>p>a:hover{text-decoration:underline}"
    "footer{padding-top:.75rem;border-top:1px solid var(--line);font-size:.875rem;color:var(--soft)}"
    "footer p{margin:.25rem 0 0}"
)


def render(page: Page, request_id: str) -> bytes:
    """Return *page* as HTML, at most 4 KiB besides its link. *request_id* is shown: it leads to the log line."""
    link = f'<p><a href="{_plain(page.link)}">{_plain(page.action)}</a></p>' if page.action else ""
    return document(page.look, _plain(page.heading), _plain(page.text), link, _plain(request_id)).encode()


def document(look: Look, heading: str, text: str, link: str, request_id: str) -> str:
    """Return the HTML with these parts, which are HTML themselves."""
    title = _plain(look.title)
    contact = f"<p>{_contact(look.contact)}</p>" if look.contact else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{heading}{f' - {title}' if title else ''}</title><style>{_style(look)}</style></head><body><main>"
        f"{f'<header>{title}</header>' if title else ''}<h1>{heading}</h1><p>{text}</p>{link}"
        f"<footer>{contact}<p>Request id: {request_id}</p></footer></main></body></html>"
    )


@lru_cache(maxsize=_MAX_LOOKS)
def security_policy(look: Look) -> str:
    """Return the value of Content-Security-Policy: no script, no form, no frame, and only the style of the page."""
    digest = b64encode(hashlib.sha256(_style(look).encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@lru_cache(maxsize=_MAX_LOOKS)
def _style(look: Look) -> str:
    color = look.color or _COLOR
    return _STYLE.replace("COLOR", color).replace("INK", "#000" if _luminance(color) > _LIGHT else "#fff")


def _luminance(color: str) -> float:
    """Return the relative luminance of #rgb or #rrggbb, from 0 to 1 (WCAG 2.2)."""
    digits = color[1:] if len(color) == len("#rrggbb") else "".join(digit * 2 for digit in color[1:])
    shares = (byte / 255 for byte in bytes.fromhex(digits))
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _plain(text: str) -> str:
    """Return *text* as HTML that shows it, without characters that have a meaning for nginx or Caddy."""
    return "".join(f"&#{ord(one)};" if one in _OF_PROXIES else one for one in escape(text))


def _contact(contact: str) -> str:
    """Return the line *contact*, with a link if it is a mail address or a URL."""
    address = ""
    if _MAIL.fullmatch(contact):
        address = f"mailto:{contact}"
    elif contact.startswith("https://") and contact.isascii() and " " not in contact:
        address = contact
    return f'Help: <a href="{_plain(address)}">{_plain(contact)}</a>' if address else _plain(contact)
