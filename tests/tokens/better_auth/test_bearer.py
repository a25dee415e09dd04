"""Session tokens of the bearer plugin in headers, signed or raw. Only the session store knows their user."""

from __future__ import annotations

import pytest

from authgate.core.decision import Allow, Deny
from authgate.core.proof import SessionCheck
from authgate.core.reasons import Reason
from authgate.tokens import derived, session_record
from authgate.tokens.better_auth.bearer import BetterAuthBearer
from tests.support import session_cookies as cookies
from tests.support.deciding import SESSION_PLACES, make_session_issuer, make_snapshot
from tests.support.session_deciding import Store, driven
from tests.support.tokens import OTHER_SECRET, SECRET

RAW, SIGNED = cookies.SESSION_TOKEN, cookies.signed()
OLD = cookies.signed(secret=OTHER_SECRET)
ADA = session_record.read(cookies.session(), cookies.user()).identity(issuer="app", token_format="better-auth-session")


def decided(token: str, token_format: BetterAuthBearer, store: Store) -> Allow | Deny:
    secrets = derived.better_auth((SECRET, OTHER_SECRET))
    issuer = make_session_issuer(formats=(token_format,), session_key_set=secrets, session_check=SessionCheck.FALLBACK)
    snapshot = make_snapshot(issuer, places=SESSION_PLACES)
    return driven(snapshot, [("Authorization", f"Bearer {token}")], store)


@pytest.mark.parametrize(
    ("token", "token_format"),
    [
        (SIGNED, BetterAuthBearer(accepts="signed")),
        (SIGNED, BetterAuthBearer(accepts="raw")),
        (RAW, BetterAuthBearer(accepts="raw")),
        (OLD, BetterAuthBearer(accepts="signed", old_secrets_verify=True)),
    ],
)
def test_the_store_gets_the_token_signed_with_the_current_secret(token: str, token_format: BetterAuthBearer) -> None:
    store = Store(ADA)
    assert isinstance(decided(token, token_format, store), Allow)
    assert [(lookup.token, lookup.signed_token) for lookup in store.asked] == [(RAW, SIGNED)]
    refused = decided(token, token_format, Store(None))
    assert isinstance(refused, Deny)
    assert refused.reason is Reason.SESSION_NOT_FOUND


@pytest.mark.parametrize(
    ("token", "token_format", "reason"),
    [
        (RAW, BetterAuthBearer(accepts="signed"), Reason.MALFORMED_TOKEN),
        (RAW[:15], BetterAuthBearer(accepts="raw"), Reason.MALFORMED_TOKEN),
        ("a" * 257, BetterAuthBearer(accepts="raw"), Reason.MALFORMED_TOKEN),
        (RAW[:-1] + "~", BetterAuthBearer(accepts="raw"), Reason.MALFORMED_TOKEN),
        (OLD, BetterAuthBearer(accepts="raw"), Reason.BAD_SIGNATURE),
        (OLD, BetterAuthBearer(accepts="signed"), Reason.BAD_SIGNATURE),
        (f"x{SIGNED}", BetterAuthBearer(accepts="raw"), Reason.BAD_SIGNATURE),
    ],
)
def test_a_token_that_is_not_accepted_is_refused_without_a_lookup(
    token: str, token_format: BetterAuthBearer, reason: Reason
) -> None:
    store = Store(ADA)
    decision = decided(token, token_format, store)
    assert isinstance(decision, Deny)
    assert (decision.reason, store.asked) == (reason, [])
