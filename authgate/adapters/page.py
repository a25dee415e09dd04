"""The pages that AuthGate shows to people: one small HTML document, without scripts and outside resources.

The same document is a template for the proxies that cannot relay a body (`proxies/nginx`): `document` takes any text in
place of the words, such as the names of variables.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authgate.core.pages import Look, Page

# What a page of another origin may read of a refusal besides its body (CORS).
EXPOSED = ("WWW-Authenticate", "Retry-After", "X-AuthGate-Reason", "X-Request-Id")
CONTENT_TYPE = "text/html; charset=utf-8"
_COLOR = "#4a6fa5"
_OF_PROXIES = "$\\{}`"  # they begin and end variables and text in the proxies' files
_MAIL = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;background:#f4f4f6;color:#1b1b1f;"
    "font:1rem/1.5 system-ui,sans-serif}"
    "main{box-sizing:border-box;width:min(32rem,100%);padding:2rem;background:#fff;border-top:.4rem solid COLOR}"
    "h1{margin:0 0 .5rem;font-size:1.5rem;line-height:1.25}p{margin:0 0 1rem;overflow-wrap:anywhere}"
    "small{color:#55555e}a{color:#174ea6;padding:.25rem 0;display:inline-block}"
    "@media(prefers-color-scheme:dark){body{background:#121215;color:#ececf1}main{background:#1d1d22}"
    "small{color:#b5b5bf}a{color:#9ec1ff}}"
)


def render(page: Page, request_id: str) -> bytes:
    """Return *page* as HTML in ASCII, at most 4 KiB. *request_id* is shown to the person, for whoever helps."""
    link = f'<p><a href="{_plain(page.link)}">{_plain(page.action)}</a></p>' if page.action else ""
    return document(page.look, _plain(page.heading), _plain(page.text), link, _plain(request_id)).encode("ascii")


def document(look: Look, heading: str, text: str, link: str, request_id: str) -> str:
    """Return the HTML with these parts, which are HTML themselves."""
    title = _plain(look.title)
    contact = f"<p>{_contact(look.contact)}</p>" if look.contact else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{heading}{f' - {title}' if title else ''}</title><style>{_style(look)}</style></head><body><main>"
        f"{f'<p><strong>{title}</strong></p>' if title else ''}<h1>{heading}</h1><p>{text}</p>{link}{contact}"
        f"<p><small>Request id: {request_id}</small></p></main></body></html>"
    )


def security_policy(look: Look) -> str:
    """Return the value of Content-Security-Policy: no script, no form, no frame, and only the style of the page."""
    digest = b64encode(hashlib.sha256(_style(look).encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _style(look: Look) -> str:
    return _STYLE.replace("COLOR", look.color or _COLOR)


def _plain(text: str) -> str:
    """Return *text* as HTML that shows it, in ASCII and without characters that have a meaning for nginx or Caddy."""
    escaped = "".join(f"&#{ord(one)};" if one in _OF_PROXIES else one for one in escape(text))
    return escaped.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _contact(contact: str) -> str:
    """Return the line *contact*, with a link if it is a mail address or a URL."""
    if _MAIL.fullmatch(contact):
        return f'<a href="mailto:{_plain(contact)}">{_plain(contact)}</a>'
    if contact.startswith("https://") and " " not in contact:
        return f'<a href="{_plain(contact)}">{_plain(contact)}</a>'
    return _plain(contact)
