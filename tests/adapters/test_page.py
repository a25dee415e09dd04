"""The pages for people. tests/e2e/test_pages_in_chromium.py looks at them in a browser."""

from __future__ import annotations

import pytest

from authgate.adapters import page
from authgate.config.refusal_model import PageConfig
from authgate.core.pages import Look, loop_page, page_for
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
