"""What a person sees when a request is refused: the words of a page, by reason. `adapters/page.py` makes the HTML.

The words are for the person at the screen. They name no rule, no claim and no setting: the log does.
"""

from __future__ import annotations

from dataclasses import dataclass

from authgate.core.reasons import REASONS, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What all pages share: *title* and *contact* are plain text, "" for none. *color* is #rgb, #rrggbb or ""."""

    title: str = ""
    color: str = ""
    contact: str = ""


PLAIN_LOOK = Look()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page. Its words are ASCII without quotes, backslashes and marks of HTML: nginx puts them into HTML as they are.

    *link* is the address that *action*, the text of the link, leads to; "" is the address of the page itself. There is
    no link if *action* is "".
    """

    heading: str
    text: str
    action: str = ""
    link: str = ""
    look: Look = PLAIN_LOOK


_RELOAD = "Try again"
_SIGN_IN = "Sign in"
_NOT_SIGNED_IN = ("Please sign in", "You are not signed in, or your session has ended.")

# For reasons whose status says too little: the heading and the text.
_WORDS: dict[Reason, tuple[str, str]] = {
    Reason.INSUFFICIENT_USER_AUTHENTICATION: (
        "Please sign in again",
        "This page asks for a recent sign-in, and yours is too old.",
    ),
    Reason.BANNED_USER: ("Your account is blocked", "You cannot use this page with the account you signed in with."),
    Reason.ANONYMOUS_USER: ("Please sign in", "This page is for people with an account. You are here as a guest."),
    Reason.CSRF: (
        "This request was blocked",
        "Another site made your browser send it. If you meant to, go to the page itself and do it there.",
    ),
    Reason.NO_POLICY: ("You cannot open this page", "This address is not open to anyone."),
    Reason.UNTRUSTED_PROXY: ("This page is not available", "The server is not set up for this request."),
    Reason.HEADERS_TOO_LARGE: (
        "This page is not available",
        "Your account has more data than the server can pass on. Tell the people who run this site.",
    ),
    Reason.AMBIGUOUS_PATH: (
        "This address does not work",
        "It has characters that servers read in different ways. Check the address, or open the page by a link.",
    ),
}
_BY_STATUS: dict[int, tuple[str, str]] = {
    400: ("This request was blocked", "The server could not read the request."),
    401: _NOT_SIGNED_IN,
    403: ("You cannot open this page", "You are signed in, and your account is not allowed to open this page."),
    503: (
        "This page is not available right now",
        "The server could not check your session. You were not signed out. Try again in a moment.",
    ),
}
_LOOP = "Signing in did not work"
_LOOP_TEXT = (
    "You were sent to the sign-in page several times and came back without a valid session. Check that your browser "
    "accepts cookies from this site, and that its clock is right. If it happens again, tell the people who run this "
    "site, and give them the request id."
)
_OLD_LOOP_TEXT = (
    "You came back from the sign-in page several times, but without a new sign-in. Sign out, then sign in again. If it "
    "happens again, tell the people who run this site, and give them the request id."
)
_PROTECTED = ("The sign-in page is not available", "The site does not let anyone open it without a session.")


def page_for(reason: Reason, look: Look, *, sign_in_url: str = "") -> Page:
    """Return the page for *reason*. *sign_in_url* is where its link leads if a sign-in helps; "" if there is none."""
    status = REASONS[reason].status
    heading, text = _WORDS.get(reason, _BY_STATUS[status])
    if sign_in_url and (status == 401 or reason is Reason.ANONYMOUS_USER):
        return Page(heading=heading, text=text, action=_SIGN_IN, link=sign_in_url, look=look)
    return Page(heading=heading, text=text, action=_RELOAD if status in {401, 503} else "", look=look)


def loop_page(reason: Reason, look: Look) -> Page:
    """Return the page at the end of a loop of redirects that *reason* caused."""
    is_old = reason is Reason.INSUFFICIENT_USER_AUTHENTICATION
    return Page(heading=_LOOP, text=_OLD_LOOP_TEXT if is_old else _LOOP_TEXT, action=_RELOAD, look=look)


def protected_page(look: Look) -> Page:
    """Return the page for a sign-in page that AuthGate itself protects."""
    heading, text = _PROTECTED
    return Page(heading=heading, text=text, look=look)
