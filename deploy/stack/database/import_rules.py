"""The rules for one old user: which ids, e-mail addresses and password hashes Better Auth accepts. No I/O."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

MAX_ID_CHARACTERS = 255
MAX_EMAIL_CHARACTERS = 254  # RFC 5321 §4.5.3.1.3, without the angle brackets
MAX_NAME_CHARACTERS = 255
MAX_IMAGE_CHARACTERS = 2000
# bcrypt with cost 16 blocks the front end's only thread for four seconds, cost 31 for days. passwords.ts has this
# bound, too.
MAX_COST = 15
BAN_REASON = "Deactivated in the old system"

# zod 4's z.email(), with which Better Auth checks every sign-in: no other address can sign in.
_EMAIL = re.compile(
    r"(?:[A-Za-z0-9_'+\-]+\.)*[A-Za-z0-9_'+\-]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}"
)
_BASE64 = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"  # in bcrypt's own order
_BCRYPT = re.compile(r"\$2[aby]\$(?P<cost>\d\d)\$[./A-Za-z0-9]{53}")
_BCRYPT_SHA256 = (
    re.compile(r"\$bcrypt-sha256\$v=2,t=2[ab],r=(?P<cost>\d{1,2})\$[./A-Za-z0-9]{22}\$[./A-Za-z0-9]{31}"),
    re.compile(r"\$bcrypt-sha256\$2[ab],(?P<cost>\d{1,2})\$[./A-Za-z0-9]{22}\$[./A-Za-z0-9]{31}"),
)
_BETTER_AUTH = re.compile(r"[0-9a-f]{32}:[0-9a-f]{128}")
_LIKE_A_HASH = re.compile(r"\$[0-9A-Za-z-]{1,20}\$|[0-9a-f]{32}:[0-9a-f]{32}")
# Where the comma separates decimals, spreadsheets begin a new cell at a semicolon.
_FORMULA = re.compile(r"(?:^|(?<=;))(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
# Reasons for a value that is not a usable hash. They never quote it. The first match counts.
_NO_PASSWORDS = (
    (re.compile(r"\s*"), "the old table has no password"),
    (re.compile(r"[!*].*", re.DOTALL), "the old password was marked as unusable"),
    (re.compile(r"\$2[aby]?\$.*", re.DOTALL), "malformed bcrypt hash"),
    (re.compile(r"\$2x\$.*", re.DOTALL), "bcrypt hash of the faulty variant 2x"),
    (re.compile(r"\$bcrypt-sha256\$.*", re.DOTALL), "malformed bcrypt-sha256 hash"),
    (re.compile(r"(\$|argon2)?\$?argon2.*", re.DOTALL), "argon2 hash"),
    (re.compile(r"\$?pbkdf2.*", re.DOTALL), "pbkdf2 hash"),
    (re.compile(r"\$?s(crypt|7)?[$:].*", re.DOTALL), "scrypt hash of another library"),
    (re.compile(r"\$[156]\$.*", re.DOTALL), "crypt(3) hash"),
    (re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64}|[0-9a-fA-F]{128}"), "bare digest (MD5 or SHA)"),
)
UNKNOWN_PASSWORD = "unknown hash format, or not a hash"  # noqa: S105 - a reason, not a password

NO_ID = "it has no id"
BAD_ID = f"its id is longer than {MAX_ID_CHARACTERS} characters, or contains control characters or outer spaces"
NO_UUID = "its id is not a UUID, but Better Auth's ids are"
NO_EMAIL = "it has no e-mail address"
LONG_EMAIL = f"its e-mail address is longer than {MAX_EMAIL_CHARACTERS} characters"
CONTROL_EMAIL = "its e-mail address contains control characters"
BAD_EMAIL = "its e-mail address is not accepted by Better Auth"

CUT_NAME = f"its name was cut to {MAX_NAME_CHARACTERS} characters"
LONG_IMAGE = f"its picture's address is longer than {MAX_IMAGE_CHARACTERS} characters: left out"
ODD_CREATED = "its sign-up time cannot be stored: imported with the time of the import"


@dataclass(frozen=True, slots=True, kw_only=True)
class OldUser:
    """A row of the old table. *active* and *banned* are None if the column is NULL."""

    id: str | None
    email: str | None
    name: str | None = None
    password: str | None = field(default=None, repr=False)
    image: str | None = None
    active: bool | None = True
    banned: bool | None = False
    ban_reason: str | None = None
    ban_expires: datetime | None = None
    admin: bool | None = False
    verified: bool | None = False
    created: datetime | None = None
    created_is_lost: bool = False


class StagingRow(NamedTuple):
    """A row of the staging table. *reason* says why it is skipped. *email* is None if the address is invalid.

    *note* says why there is no *password*, and what else is lost.
    """

    number: int
    id: str | None
    email: str | None
    email_as_was: str | None
    name: str
    has_name: bool
    image: str | None
    verified: bool
    created: datetime | None
    banned: bool
    ban_reason: str | None
    ban_expires: datetime | None
    admin: bool
    password: str | None
    note: str | None
    reason: str | None


def staging_row(number: int, old: OldUser, *, uuids: bool) -> StagingRow:
    """Check the row *number* by itself and return it for the staging table. *uuids*: Better Auth's ids are uuids."""
    user_id, id_fault = read_id(old.id, uuids=uuids)
    email, email_fault = read_email(old.email)
    password, no_password = read_password(old.password)
    name, image = read_text(old.name), read_text(old.image)
    active = old.active is True  # NULL does not allow a user to sign in
    banned = not active or bool(old.banned)
    losses = (
        no_password,
        CUT_NAME if len(name) > MAX_NAME_CHARACTERS else None,
        LONG_IMAGE if len(image) > MAX_IMAGE_CHARACTERS else None,
        ODD_CREATED if old.created_is_lost else None,
    )
    return StagingRow(
        number=number,
        id=user_id,
        email=email,
        email_as_was=old.email,
        name=name[:MAX_NAME_CHARACTERS] or (email or "").partition("@")[0],
        has_name=bool(name),
        image=image if 0 < len(image) <= MAX_IMAGE_CHARACTERS else None,
        verified=bool(old.verified),
        created=old.created,
        banned=banned,
        ban_reason=(read_text(old.ban_reason)[:MAX_NAME_CHARACTERS] or BAN_REASON) if banned else None,
        ban_expires=old.ban_expires if active and banned else None,  # a deactivated user stays out
        admin=bool(old.admin),
        password=password,
        note="; ".join(filter(None, losses)) or None,
        reason=id_fault or email_fault,
    )


def read_id(raw: str | None, *, uuids: bool) -> tuple[str | None, str | None]:
    """Return the id for Better Auth, and the reason why it is unusable, if any."""
    if not raw:
        return raw, NO_ID
    if len(raw) > MAX_ID_CHARACTERS or _has_control(raw) or raw != raw.strip():
        return raw, BAD_ID  # X-User-Id cannot carry it, or a proxy would trim it
    if not uuids:
        return raw, None
    try:
        return str(UUID(raw)), None
    except ValueError:
        return raw, NO_UUID


def read_email(raw: str | None) -> tuple[str | None, str | None]:
    """Return the address as Better Auth stores it, or None and the reason why it is unusable."""
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


def read_text(raw: str | None) -> str:
    """Return the text without control characters and outer spaces, or "" if there is none."""
    return "".join(c for c in raw or "" if unicodedata.category(c) != "Cc").strip()


def read_password(raw: str | None) -> tuple[str | None, str | None]:
    """Return the hash for Better Auth, or None and the reason. The reason never quotes the hash."""
    stored = raw or ""
    if _BETTER_AUTH.fullmatch(stored):
        return stored, None
    if (match := _BCRYPT.fullmatch(stored)) and 4 <= int(match["cost"]) <= 31:
        return _affordable(_canonical(stored), int(match["cost"]))
    for pattern in _BCRYPT_SHA256:
        if (match := pattern.fullmatch(stored)) and 4 <= int(match["cost"]) <= 31:
            return _affordable(stored, int(match["cost"]))
    for pattern, reason in _NO_PASSWORDS:
        if pattern.fullmatch(stored):
            return None, reason
    return None, UNKNOWN_PASSWORD


def _canonical(bcrypt: str) -> str:
    """Return the hash with the four unused bits of its salt cleared: old passlibs set them, which bcryptjs refuses."""
    return bcrypt[:28] + _BASE64[_BASE64.index(bcrypt[28]) & 0b110000] + bcrypt[29:]


def _affordable(stored: str, cost: int) -> tuple[str | None, str | None]:
    return (stored, None) if cost <= MAX_COST else (None, f"bcrypt cost {cost}: checking it would block all sign-ins")


def _has_control(text: str) -> bool:
    return any(unicodedata.category(c) == "Cc" for c in text)


def printable(text: str | None) -> str:
    """Return *text* for a terminal or a report. Escape control characters, and hide a hash from a wrong column."""
    if _LIKE_A_HASH.match(text or ""):
        return "(hidden: it looks like a password hash)"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text or "")


def csv_cell(text: str | None) -> str:
    """Return *text* for a CSV file, escaped so that a spreadsheet does not read it, or a part of it, as a formula."""
    return _FORMULA.sub("'", printable(text))
