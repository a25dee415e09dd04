"""Session cookies: everything that a browser or an attacker could send leads to a decision and not to a bug."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authgate.core.credential import SessionPlace
from authgate.core.decision import Allow, Deny
from authgate.core.errors import Refused
from authgate.core.keys import NO_KEYS
from authgate.core.proof import SessionCheck
from authgate.core.reasons import REASONS
from authgate.tokens import FORMATS, _jwe, derived, session_record
from authgate.tokens._percent import percent_decoded
from authgate.tokens.authjs import database
from authgate.tokens.authjs.session import SESSION_PART
from authgate.tokens.better_auth import compact, signed_cookie
from tests.support import session_cookies as cookies
from tests.support.deciding import SESSION_PLACES, make_issuer, make_session_issuer, make_snapshot
from tests.support.session_deciding import Store, driven
from tests.support.tokens import NOW, SECRET, b64, unb64

SECRETS = derived.better_auth((SECRET,))
SIGNING, ENCRYPTING = SECRETS.keys
RECEIVED = st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
TEXT = st.one_of(RECEIVED, st.text(st.characters(), max_size=200))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
COLUMNS = (
    *("id", "token", "userId", "expiresAt", "email", "name", "role", "banned", "banExpires", "x", "emailVerified"),
    *("isAnonymous", "impersonatedBy", "activeOrganizationId", "activeOrganizationRole"),
)
ROWS = st.dictionaries(
    st.sampled_from(COLUMNS),
    JSON
    | st.sampled_from([cookies.SESSION_TOKEN, "user-1", cookies.iso(NOW + 60), "0001-01-01T00:00:00+23:59", 1e308]),
    max_size=8,
)
BETTER_AUTH = make_snapshot(make_session_issuer(session_check=SessionCheck.FALLBACK), places=SESSION_PLACES)
AUTHJS = make_snapshot(
    make_issuer(
        formats=(FORMATS["authjs-session"], FORMATS["authjs-database"]),
        key_set=NO_KEYS,
        session_key_set=derived.authjs((SECRET,), ("authjs.session-token",)),
        session_check=SessionCheck.FALLBACK,
    ),
    places=(SessionPlace(issuer_name="app", part=SESSION_PART, name="authjs.session-token", chunked=True),),
)


def assert_decision(decision: Any) -> None:
    """Assert that *decision* is an `Allow`, or a `Deny` with a known reason and a short detail."""
    assert isinstance(decision, (Allow, Deny))
    if isinstance(decision, Deny):
        assert decision.reason in REASONS
        assert len(decision.detail) < 1000


@given(TEXT, TEXT)
@example(token=cookies.signed(), data="")
@example(token="%", data="%" * 50)
@example(token=cookies.signed() + "%E0%A4%A", data="..")
def test_any_two_cookies_lead_to_a_decision(token: str, data: str) -> None:
    line = f"{cookies.COOKIES[0]}={token}; {cookies.COOKIES[1]}={data}"
    assert_decision(driven(BETTER_AUTH, [("Cookie", line)], Store(None)))


@given(TEXT)
def test_any_data_beside_a_signed_token_leads_to_a_decision(data: str) -> None:
    name, data_name = cookies.COOKIES
    assert_decision(driven(BETTER_AUTH, [("Cookie", f"{name}={cookies.signed()}; {data_name}={data}")], Store(None)))


@given(TEXT)
def test_any_cookie_of_auth_js_leads_to_a_decision(cookie: str) -> None:
    assert_decision(driven(AUTHJS, [("Cookie", f"authjs.session-token={cookie}")], Store(None)))


@given(st.lists(st.tuples(st.integers(0, 120), TEXT), max_size=8))
def test_any_chunks_lead_to_a_decision(chunks: list[tuple[int, str]]) -> None:
    pairs = [f"authjs.session-token.{position}={value}" for position, value in chunks]
    assert_decision(driven(AUTHJS, [("Cookie", "; ".join(pairs))], Store(None)))


@given(st.binary(max_size=300), st.binary(max_size=60))
@example(begin=b'{"session":', end=b',"expiresAt":1,"signature":"' + b"A" * 43 + b'"}')
@example(begin=b'{"session":{}', end=b',"expiresAt":9999999999999999,"signature":"' + b"A" * 43 + b'"}')
def test_any_unsigned_envelope_is_refused(begin: bytes, end: bytes) -> None:
    for raw in (begin, begin + end, b'{"session":' + begin + end):
        with pytest.raises(Refused):
            compact.open_cookie(b64(raw), [SIGNING])


@given(ROWS, ROWS, st.dictionaries(st.sampled_from(["updatedAt", "version", "x"]), JSON, max_size=3))
def test_any_signed_payload_leads_to_a_decision(
    session: dict[str, Any], user: dict[str, Any], rest: dict[str, Any]
) -> None:
    inner = {"session": session, "user": user} | rest
    text = json.dumps(inner, separators=(",", ":"))
    for data in (cookies.compact(text), cookies.cookie_jwt(inner) if _is_utf8(inner) else cookies.compact(text)):
        assert_decision(driven(BETTER_AUTH, [cookies.cookie_line(data)], Store(None)))


def _is_utf8(value: Any) -> bool:
    try:
        cookies.written(value).encode()
    except UnicodeEncodeError:
        return False
    return True


@given(ROWS, ROWS)
def test_any_rows_of_a_store_are_a_session_or_a_value_error(session: dict[str, Any], user: dict[str, Any]) -> None:
    for read in (session_record.read, database.read):
        try:
            record = read(session, user)
        except ValueError:
            continue
        assert record.identity(issuer="app", token_format="any").subject == record.user_id


@given(st.lists(st.binary(max_size=80), min_size=3, max_size=3), JSON, JSON, JSON)
@example(parts=[b"i" * 16, b"c" * 16, b"t" * 32], algorithm="dir", encryption="A256CBC-HS512", key_id=ENCRYPTING.key_id)
@example(parts=[b"i" * 12, b"c", b"t" * 16], algorithm="dir", encryption="A256GCM", key_id=None)
def test_the_parts_of_a_forged_jwe_are_refused(
    parts: list[bytes], algorithm: Any, encryption: Any, key_id: Any
) -> None:
    header = json.dumps({"alg": algorithm, "enc": encryption, "kid": key_id}).encode()
    token = ".".join([b64(header), "", *map(b64, parts)])
    with pytest.raises(Refused):
        _jwe.decrypt(_jwe.parse(token), SECRETS.keys)


# Made only once, because encryption gives a different cookie each time.
SOUND = (cookies.compact(), cookies.cookie_jwt(), cookies.cookie_jwe())


@given(st.data())
def test_a_cookie_with_one_changed_character_is_refused(data: st.DataObject) -> None:
    sound = data.draw(st.sampled_from(SOUND))
    at = data.draw(st.integers(0, len(sound) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=f'{sound[at]};,"\\'))
    changed = sound[:at] + other + sound[at + 1 :]
    assert isinstance(driven(BETTER_AUTH, [cookies.cookie_line(sound)], Store(None)), Allow)
    assert isinstance(driven(BETTER_AUTH, [cookies.cookie_line(changed)], Store(None)), Deny)


@given(TEXT.filter(lambda text: _is_utf8(text) and len(text.encode()) < 1800 and text), st.data())
def test_a_signed_value_verifies_and_a_changed_signature_does_not(value: str, data: st.DataObject) -> None:
    signed = signed_cookie.sign(value, SIGNING)
    if percent_decoded(signed) == signed:  # otherwise it is read as percent-encoded, as the library does
        assert signed_cookie.verify(signed, [SIGNING]) == (value, signed)
    at = data.draw(st.integers(len(value) + 1, len(signed) - 2))
    with pytest.raises(Refused):
        signed_cookie.verify(signed[:at] + ("A" if signed[at] != "A" else "B") + signed[at + 1 :], [SIGNING])


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_chunks_in_any_order_make_the_whole_cookie(lengths: list[int], random: Any) -> None:
    sound = cookies.compact()
    cuts, at = [], 0
    for length in lengths:
        cuts.append(sound[at : at + length])
        at += length
    cuts.append(sound[at:])
    name, data_name = cookies.COOKIES
    pairs = [f"{name}={cookies.signed()}", *(f"{data_name}.{n}={cut}" for n, cut in enumerate(cuts))]
    random.shuffle(pairs)
    assert isinstance(driven(BETTER_AUTH, [("Cookie", "; ".join(pairs))], Store(None)), Allow)
    missing = [pair for pair in pairs if not pair.startswith(f"{data_name}.0=")]
    assert isinstance(driven(BETTER_AUTH, [("Cookie", "; ".join(missing))], Store(None)), Deny)


@given(st.text(st.characters(), max_size=60), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
def test_the_name_of_a_user_arrives_unchanged(name: str, number: int, ratio: float) -> None:
    inner = cookies.payload(user=cookies.user(name=name or None, number=number, ratio=ratio))
    text = json.dumps(inner, separators=(",", ":"))
    decision = driven(BETTER_AUTH, [cookies.cookie_line(cookies.compact(text))], Store(None))
    if abs(number) < 1e308:
        assert isinstance(decision, Allow)
        assert decision.identity.name == (name or None)


def test_the_tests_make_the_real_envelope() -> None:
    assert unb64(cookies.compact()).startswith(b'{"session":{"session":')
