"""The words of pages: which reason has which, and that every proxy can show them."""

from __future__ import annotations

import pytest

from authgate.core.pages import PLAIN_LOOK, Look, Page, loop_page, page_for, protected_page
from authgate.core.reasons import REASONS, Reason

SIGN_IN = "https://app.example.com/sign-in"
LOOK = Look(title="Tasks", color="#123456", contact="help@example.com")


def all_pages() -> list[Page]:
    pages = [protected_page(LOOK)]
    for reason in Reason:
        pages += [page_for(reason, LOOK), page_for(reason, LOOK, sign_in_url=SIGN_IN), loop_page(reason, LOOK)]
    return pages


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.heading)
def test_every_word_can_be_put_into_html_json_and_a_header_as_it_is(page: Page) -> None:
    for text in (page.heading, page.text, page.action):
        assert text.isascii()
        assert text.isprintable() or not text
        assert not set(text) & set("\"'\\<>&$`{}")
        assert len(text) <= 400
    assert page.heading
    assert page.text.endswith(".")
    assert page.look is LOOK


@pytest.mark.parametrize("reason", Reason)
def test_the_text_of_a_reason_can_be_put_into_html_json_and_a_header_as_it_is(reason: Reason) -> None:
    text = REASONS[reason].text
    assert text.isascii()
    assert text.isprintable()
    assert not set(text) & set('"\\<>&$`{}')


@pytest.mark.parametrize("reason", Reason)
def test_a_sign_in_is_offered_only_where_it_helps(reason: Reason) -> None:
    status = REASONS[reason].status
    page = page_for(reason, PLAIN_LOOK, sign_in_url=SIGN_IN)
    assert (page.action, page.link) == (
        ("Sign in", SIGN_IN)
        if status == 401 or reason is Reason.ANONYMOUS_USER
        else ("Try again", "")
        if status == 503
        else ("", "")
    )
    without = page_for(reason, PLAIN_LOOK)
    assert (without.action, without.link) == ("Try again" if status in {401, 503} else "", "")


@pytest.mark.parametrize("reason", [reason for reason in Reason if REASONS[reason].status == 503])
def test_an_outage_never_looks_like_the_end_of_a_session(reason: Reason) -> None:
    page = page_for(reason, PLAIN_LOOK, sign_in_url=SIGN_IN)
    assert "You were not signed out." in page.text
    assert "sign in" not in page.heading.lower()


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Reason.NO_CREDENTIAL, "not signed in, or your session has ended"),
        (Reason.INSUFFICIENT_USER_AUTHENTICATION, "recent sign-in"),
        (Reason.FORBIDDEN, "your account is not allowed"),
        (Reason.BANNED_USER, "with the account you signed in with"),
        (Reason.ANONYMOUS_USER, "as a guest"),
        (Reason.NO_POLICY, "not open to anyone"),
        (Reason.CSRF, "Another site"),
        (Reason.AMBIGUOUS_PATH, "characters"),
        (Reason.UNREADABLE_REQUEST, "could not read"),
        (Reason.UNTRUSTED_PROXY, "not set up"),
        (Reason.HEADERS_TOO_LARGE, "more data"),
    ],
)
def test_a_page_says_what_the_person_can_do(reason: Reason, words: str) -> None:
    assert words in page_for(reason, PLAIN_LOOK).text


def test_the_page_at_the_end_of_a_loop_says_why_and_offers_another_try() -> None:
    page = loop_page(Reason.EXPIRED, PLAIN_LOOK)
    assert (page.heading, page.action, page.link) == ("Signing in did not work", "Try again", "")
    assert "cookies" in page.text
    assert "request id" in page.text
    assert "cookies" not in loop_page(Reason.INSUFFICIENT_USER_AUTHENTICATION, PLAIN_LOOK).text
