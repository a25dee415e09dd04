"""The forms of secrets, which people paste in place of an ID. A text of such a form is never quoted."""

from __future__ import annotations

import re

NOT_SHOWN = "(not shown: it may be a secret)"

# What a secret is, and its form. Nothing else has it, so a setting for IDs refuses it.
_KNOWN = {
    "a secret key of Clerk or Stripe (sk_live_…, sk_test_…)": r"[sr]k_(?:live|test)_",
    "a secret key of Supabase (sb_secret_…)": r"sb_secret_",
    "a client secret of Google (GOCSPX-…)": r"GOCSPX-",
    "a client secret of Microsoft (…8Q~…)": r"[\w.~-]{3}[78]Q~[\w.~-]{31}",
    "an API token of Okta (00…)": r"(?<![\w.~-])00[\w-]{40}(?![\w.~-])",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    # A JWT. Nothing is tried twice, because a text may be long: the first eyJ of a word, and the rest of the word.
    "a token (eyJ…)": r"(?<![\w-])(?>[\w-]*?eyJ)[\w-]{10,}+\.[\w-]*+\.",
}
_FORMS = {what: re.compile(form) for what, form in _KNOWN.items()}
# Other secrets. IDs may have this form, too, but few that are wrong.
_LONG = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9])[^\s./:]{40,}")


def known_secret(text: str) -> str:
    """Return what secret *text* holds; "" if it holds none whose form is known."""
    return next((what for what, form in _FORMS.items() if form.search(text)), "")


def may_be_secret(text: str) -> bool:
    """Whether *text* holds a known secret, or is as long and mixed as one."""
    return bool(known_secret(text) or _LONG.fullmatch(text.strip()))
