"""The pages for people. tests/e2e/test_pages_in_chromium.py looks at them in a browser."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from html.parser import HTMLParser

import pytest

from authgate.adapters import page
from authgate.config.refusal_model import PageConfig
from authgate.core.pages import Look, Page, loop_page, page_for, protected_page
from authgate.core.reasons import Reason

MAX_BYTES = 4096  # also nginx's bound for a word of its configuration
LONGEST = 100  # of title and contact
REQUEST_ID = "0123456789abcdef" * 8


@pytest.mark.parametrize("text", ['"' * LONGEST, "\N{GRINNING FACE}" * LONGEST, "$\\'<&" * (LONGEST // 5)])
def test_the_longest_page_has_4_kib_at_most(text: str) -> None:
    config = PageConfig(title=text, contact=text)
    look = Look(title=config.title or "", color="#123456", contact=config.contact or "")
    for reason in Reason:
        for shown in (loop_page(reason, look), page_for(reason, look)):
            assert len(page.render(shown, REQUEST_ID)) <= MAX_BYTES


def test_the_longest_contact_with_a_link_has_4_kib_at_most() -> None:
    contact = "https://a.example/?" + "&" * (LONGEST - 19)
    look = Look(title='"' * LONGEST, contact=contact)
    assert len(page.render(loop_page(Reason.EXPIRED, look), REQUEST_ID)) <= MAX_BYTES


@pytest.mark.parametrize("text", ["$uri", "\\", "'", "'; return 200 x; '", '"', "<script>alert(1)</script>", "&lt;"])
def test_a_template_has_no_character_that_nginx_or_html_would_read(text: str) -> None:
    document = page.document(Look(title=text, contact=text), "$heading", "$text", "$link", "$id")
    assert not {"'", "\\"} & set(document)
    assert document.count("$") == 5, "the heading is in the title, too"
    assert "<script" not in document
    assert "&amp;lt;" in document or text != "&lt;"


@pytest.mark.parametrize(
    ("contact", "line"),
    [
        ("help@example.com", 'Help: <a href="mailto:help@example.com">help@example.com</a>'),
        ("https://help.example.com/?a=1&b", 'Help: <a href="https://help.example.com/?a=1&amp;b">'),
        ("Call 0123, or ask help@example.com", "<p>Call 0123, or ask help@example.com</p>"),
        ("javascript:alert(1)", "<p>javascript:alert(1)</p>"),
        ("http://help.example.com", "<p>http://help.example.com</p>"),
        ("https://h\N{LATIN SMALL LETTER E WITH ACUTE}lp.example", "<p>https://h\N{LATIN SMALL LETTER E WITH ACUTE}lp"),
        ("https://help.example.com or call", "<p>https://help.example.com or call</p>"),
    ],
)
def test_a_contact_is_a_link_if_it_is_a_mail_address_or_an_https_address(contact: str, line: str) -> None:
    assert line in page.document(Look(contact=contact), "", "", "", "")


@pytest.mark.parametrize(
    ("color", "ink"),
    [("", "#fff"), ("#000", "#fff"), ("#FFF", "#000"), ("#ffd54a", "#000"), ("#0b6e4f", "#fff"), ("#757575", "#fff")],
)
def test_the_words_on_the_button_have_contrast(color: str, ink: str) -> None:
    document = page.document(Look(color=color), "", "", "", "")
    assert f"background:{color or '#4a6fa5'};color:{ink};" in document


def test_the_page_changes_its_policy_with_its_style() -> None:
    one, other = page.security_policy(Look(color="#123456")), page.security_policy(Look(color="#123457"))
    assert one != other
    for policy in (one, other):
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "script" not in policy


class Reader(HTMLParser):
    """Reads a document strictly: each element is closed in order, and its attributes are collected."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


EVIL = "</title></style></main><script src=//evil.example></script><img src=x onerror=alert(1)>\"' onload='a"
ELEMENTS = {"html", "head", "meta", "title", "style", "body", "main", "header", "footer", "h1", "p", "a"}


def shown_pages(look: Look) -> list[Page]:
    pages = [protected_page(look)]
    for reason in Reason:
        pages += [
            loop_page(reason, look),
            page_for(reason, look),
            page_for(reason, look, sign_in_url="https://id/?a&b"),
        ]
    return pages


@pytest.mark.parametrize("text", ["", "Tasks", EVIL, "&lt;b&gt;", "\N{LATIN SMALL LETTER E WITH ACUTE}$x{y}`z`"])
def test_every_page_is_sound_html_without_scripts_and_outside_resources(text: str) -> None:
    for shown in shown_pages(Look(title=text, color="#123456", contact=text)):
        reader = Reader()
        reader.feed(page.render(shown, REQUEST_ID).decode())
        reader.close()
        assert reader.open == []
        assert reader.tags <= ELEMENTS
        links = [value for _, name, value in reader.attributes if name == "href"]
        assert links == ([shown.link] if shown.action else [])
        assert {name for _, name, _ in reader.attributes} <= {"lang", "charset", "name", "content", "href"}
        assert "url(" not in reader.words
        assert "@import" not in reader.words
        for words in (shown.heading, shown.text, shown.action, text, f"Request id: {REQUEST_ID}"):
            assert words in reader.words


def test_the_link_is_escaped() -> None:
    shown = Page(heading="a", text="b", action="c", link='https://id/?a&lt;b"><script>')
    assert b'href="https://id/?a&amp;lt;b&quot;&gt;&lt;script&gt;"' in page.render(shown, "")


@pytest.mark.parametrize("color", ["", "#abc", "#ABCDEF"])
def test_the_policy_of_the_page_allows_its_own_style_and_nothing_else(color: str) -> None:
    look = Look(color=color)
    style = page.document(look, "", "", "", "").partition("<style>")[2].partition("</style>")[0]
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert page.security_policy(look) == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
