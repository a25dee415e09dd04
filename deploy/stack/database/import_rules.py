"""What becomes of one old user: which ids, addresses and password hashes Better Auth can work with. No I/O."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

MAX_ID_CHARACTERS = 255
MAX_EMAIL_CHARACTERS = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets
MAX_NAME_CHARACTERS = 255
MOST_COST = (
    15  # bcrypt: 2^16 rounds take four seconds of the front end's only thread, 2^31 days; passwords.ts has the same
)
BAN_REASON = "Deactivated in the old system"

# zod 4's z.email(), which Better Auth asks at every sign-in: another address can never sign in.
_EMAIL = re.compile(
    r"(?:[A-Za-z0-9_'+\-]+\.)*[A-Za-z0-9_'+\-]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}"
)
_BASE64 = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"  # bcrypt's own order
_BCRYPT = re.compile(r"\$2[aby]\$(?P<cost>\d\d)\$[./A-Za-z0-9]{53}")
_BCRYPT_SHA256 = (
    re.compile(r"\$bcrypt-sha256\$v=2,t=2[ab],r=(?P<cost>\d{1,2})\$[./A-Za-z0-9]{22}\$[./A-Za-z0-9]{31}"),
    re.compile(r"\$bcrypt-sha256\$2[ab],(?P<cost>\d{1,2})\$[./A-Za-z0-9]{22}\$[./A-Za-z0-9]{31}"),
)
_BETTER_AUTH = re.compile(r"[0-9a-f]{32}:[0-9a-f]{128}")
_LIKE_A_HASH = re.compile(r"\$[0-9A-Za-z-]{1,20}\$|[0-9a-f]{32}:[0-9a-f]{32}")
# What is there instead, told without quoting any of it. The first that fits counts.
_NO_PASSWORDS = (
    (re.compile(r"\s*"), "the old table has no password"),
    (re.compile(r"[!*].*", re.DOTALL), "the old password was marked as unusable"),
    (re.compile(r"\$2[aby]?\$.*", re.DOTALL), "malformed bcrypt hash"),
    (re.compile(r"\$2x\$.*", re.DOTALL), "bcrypt of the faulty kind 2x"),
    (re.compile(r"\$bcrypt-sha256\$.*", re.DOTALL), "malformed bcrypt-sha256 hash"),
    (re.compile(r"(\$|argon2)?\$?argon2.*", re.DOTALL), "argon2 hash"),
    (re.compile(r"\$?pbkdf2.*", re.DOTALL), "pbkdf2 hash"),
    (re.compile(r"\$?s(crypt|7)?[$:].*", re.DOTALL), "scrypt hash of another library"),
    (re.compile(r"\$[156]\$.*", re.DOTALL), "crypt(3) hash"),
    (re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64}|[0-9a-fA-F]{128}"), "bare digest (MD5 or SHA)"),
)
UNKNOWN_PASSWORD = "hash of no known format, or no hash at all"  # noqa: S105 - it says what is wrong with one

NO_ID = "it has no id"
BAD_ID = f"its id is longer than {MAX_ID_CHARACTERS} characters, or holds control characters or outer white space"
NO_UUID = "its id is no UUID, and Better Auth's ids are"
NO_EMAIL = "it has no e-mail address"
LONG_EMAIL = f"its e-mail address is longer than {MAX_EMAIL_CHARACTERS} characters"
CONTROL_EMAIL = "its e-mail address holds control characters"
BAD_EMAIL = "its e-mail address is none that Better Auth lets sign in"


@dataclass(frozen=True, slots=True, kw_only=True)
class OldUser:
    """A row of the old table. *active* is None where the column is NULL."""

    id: str | None
    email: str | None
    name: str | None = None
    password: str | None = field(default=None, repr=False)
    active: bool | None = True
    admin: bool | None = False
    verified: bool | None = False
    created: datetime | None = None


class Judged(NamedTuple):
    """A row of the staging table. *reason* is why it is skipped; *email* None if it is no address.

    *note* is why there is no *password*, or what is odd about it.
    """

    number: int
    id: str | None
    email: str | None
    email_as_was: str | None
    name: str
    verified: bool
    created: datetime | None
    banned: bool
    admin: bool
    password: str | None
    note: str | None
    reason: str | None


def judge(number: int, old: OldUser, *, uuids: bool) -> Judged:
    """Return what can be said of the row *number* by itself. *uuids*: Better Auth's ids are of that type."""
    user_id, id_fault = read_id(old.id, uuids=uuids)
    email, email_fault = read_email(old.email)
    password, note = read_password(old.password)
    return Judged(
        number=number,
        id=user_id,
        email=email,
        email_as_was=old.email,
        name=read_name(old.name) or (email or "").partition("@")[0],
        verified=bool(old.verified),
        created=old.created,
        banned=old.active is not True,  # NULL does not say that they may sign in
        admin=bool(old.admin),
        password=password,
        note=note,
        reason=id_fault or email_fault,
    )


def read_id(raw: str | None, *, uuids: bool) -> tuple[str | None, str | None]:
    """Return the id as Better Auth gets it, and what is wrong with it."""
    if not raw:
        return raw, NO_ID
    if len(raw) > MAX_ID_CHARACTERS or _has_control(raw) or raw != raw.strip():
        return raw, BAD_ID  # X-User-Id could not carry it, or a proxy would trim it
    if not uuids:
        return raw, None
    try:
        return str(UUID(raw)), None
    except ValueError:
        return raw, NO_UUID


def read_email(raw: str | None) -> tuple[str | None, str | None]:
    """Return the address as Better Auth looks for it, and what is wrong with it."""
    trimmed = (raw or "").strip(" \t\r\n")
    if not trimmed:
        return None, NO_EMAIL
    if _has_control(trimmed):
        return None, CONTROL_EMAIL
    if len(trimmed) > MAX_EMAIL_CHARACTERS:
        return None, LONG_EMAIL
    if not _EMAIL.fullmatch(trimmed):
        return None, BAD_EMAIL
    return trimmed.lower(), None


def read_name(raw: str | None) -> str:
    """Return a name without control characters, "" if there is none."""
    return "".join(c for c in raw or "" if unicodedata.category(c) != "Cc").strip()[:MAX_NAME_CHARACTERS]


def read_password(raw: str | None) -> tuple[str | None, str | None]:
    """Return the hash for Better Auth and what is odd about it; or None and why. Neither reason quotes it."""
    stored = raw or ""
    if _BETTER_AUTH.fullmatch(stored):
        return stored, None
    if (found := _BCRYPT.fullmatch(stored)) and 4 <= int(found["cost"]) <= 31:
        return _affordable(_canonical(stored), int(found["cost"]))
    for pattern in _BCRYPT_SHA256:
        if (found := pattern.fullmatch(stored)) and 4 <= int(found["cost"]) <= 31:
            return _affordable(stored, int(found["cost"]))
    for pattern, reason in _NO_PASSWORDS:
        if pattern.fullmatch(stored):
            return None, reason
    return None, UNKNOWN_PASSWORD


def _canonical(bcrypt: str) -> str:
    """Return the hash with the four unused bits of its salt cleared: old passlibs set them, bcryptjs refuses that."""
    return bcrypt[:28] + _BASE64[_BASE64.index(bcrypt[28]) & 0b110000] + bcrypt[29:]


def _affordable(stored: str, cost: int) -> tuple[str | None, str | None]:
    return (stored, None) if cost <= MOST_COST else (None, f"bcrypt cost {cost}, which holds up all who sign in")


def _has_control(text: str) -> bool:
    return any(unicodedata.category(c) == "Cc" for c in text)


def shown(text: str | None) -> str:
    """Return *text* for a terminal or a report: nothing that acts on a terminal, and no hash out of a wrong column."""
    if _LIKE_A_HASH.match(text or ""):
        return "(hidden: it looks like a password hash)"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text or "")


def cell(text: str | None) -> str:
    """Return *text* for a CSV file that a spreadsheet opens: no formula."""
    safe = shown(text)
    return f"'{safe}" if safe[:1] in {"=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"} else safe
