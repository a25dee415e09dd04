"""What a refused client gets, by what it is: a redirect, a page, or the headers of a program."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from authgate.core.challenge import NO_CHALLENGE
from authgate.core.cors import CorsRule
from authgate.core.decision import Deny
from authgate.core.outputs import Output
from authgate.core.pages import Look
from authgate.core.policy import Access
from authgate.core.reasons import REASONS, Reason
from authgate.core.redirects import MAX_REDIRECTS, cookie_name
from authgate.core.refusals import Refusals
from tests.support.deciding import SIGN_IN, decide_now, make_issuer, make_snapshot, request_with
from tests.support.ruling import policies, policy, rule
from tests.support.tokens import NOW, OTHER_SECRET, claims, mint

if TYPE_CHECKING:
    from authgate.core.challenge import Challenge

APP, OTHER = "https://app.example.com", "https://other.example.com"
LOCATION = "https://id.example.com/sign-in?return_to=https%3A%2F%2Fapp.example.com%2Ftasks%3Fpage%3D2"
CORS = CorsRule(allowed_origins=frozenset({OTHER}))
LOOK = Look(title="Tasks")
NAVIGATE = ("Sec-Fetch-Mode", "navigate")
SCRIPT = ("Sec-Fetch-Mode", "cors")
FROM_OTHER = ("Origin", OTHER)


def refused(*headers: tuple[str, str], method: str = "GET", path: str = "/tasks?page=2", **changes: Any) -> Deny:
    settings: dict[str, Any] = {"sign_in": SIGN_IN, "cors": CORS, "refusals": Refusals(look=LOOK)}
    host = changes.pop("authority", "app.example.com")
    request = request_with(*headers, method=method, url_path=path, authority=host)
    decision = decide_now(request, make_snapshot(**settings | changes))
    assert isinstance(decision, Deny)
    return decision


def challenge_of(*headers: tuple[str, str], **changes: Any) -> Challenge:
    return refused(*headers, **changes).challenge


def bearer(token: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {token}")


# A credential for which a sign-in helps, and the reason for which it is refused.
ENDED = {
    "none": ((), "no_credential"),
    "expired": ((bearer(mint(claims(exp=1, iat=0))),), "expired"),
    "forged": ((bearer(mint(key=OTHER_SECRET)),), "bad_signature"),
    "junk": ((bearer("junk"),), "malformed_token"),
}


@pytest.mark.parametrize(("headers", "reason"), ENDED.values(), ids=ENDED)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_person_without_a_session_is_redirected(
    headers: tuple[tuple[str, str], ...], reason: str, method: str
) -> None:
    deny = refused(NAVIGATE, *headers, method=method)
    assert deny.reason == reason
    assert deny.challenge.location == LOCATION
    assert deny.challenge.delivery == "redirect"
    assert deny.challenge.set_cookie.startswith(f"{cookie_name('https')}=")
    assert deny.challenge.page is None


@pytest.mark.parametrize(("headers", "reason"), ENDED.values(), ids=ENDED)
@pytest.mark.parametrize("client", [(), (SCRIPT,), (("X-Requested-With", "x"), ("Accept", "text/html"))], ids=str)
def test_a_program_is_never_redirected_and_gets_no_cookie(
    headers: tuple[tuple[str, str], ...], reason: str, client: tuple[tuple[str, str], ...]
) -> None:
    deny = refused(*client, *headers)
    assert deny.reason == reason
    challenge = deny.challenge
    assert (challenge.location, challenge.page, challenge.set_cookie, challenge.delivery) == ("", None, "", "problem")


def test_a_form_gets_a_page_with_a_link_to_the_sign_in_page_and_is_no_return_address() -> None:
    challenge = challenge_of(NAVIGATE, method="POST")
    assert (challenge.location, challenge.set_cookie, challenge.delivery) == ("", "", "page")
    assert challenge.page is not None
    assert (challenge.page.action, challenge.page.link, challenge.page.look) == ("Sign in", SIGN_IN.url, LOOK)


def test_a_form_that_needs_a_new_sign_in_gets_a_link_that_asks_for_one() -> None:
    recent = rule({"authenticated_within_seconds": 60})
    challenge = challenge_of(NAVIGATE, bearer(mint(claims(auth_time=1))), method="POST", rule=recent)
    assert challenge.page is not None
    assert challenge.page.link == f"{SIGN_IN.url}?max_age=60"


def test_without_a_sign_in_page_a_person_gets_a_page() -> None:
    challenge = challenge_of(NAVIGATE, sign_in=None)
    assert (challenge.location, challenge.set_cookie, challenge.delivery) == ("", "", "page")
    assert challenge.page is not None
    assert (challenge.page.heading, challenge.page.link) == ("Please sign in", "")


NOT_BY_SIGNING_IN = {
    Reason.FORBIDDEN: {"rule": rule({"roles": {"any_of": ["admin"]}})},
    Reason.INSUFFICIENT_SCOPE: {"rule": rule({"scopes": {"all_of": ["a"]}})},
    Reason.HEADERS_TOO_LARGE: {"outputs": (Output(header="X-Long", source="claims.long"),)},
    Reason.BANNED_USER: {},
    Reason.ANONYMOUS_USER: {},
}


@pytest.mark.parametrize("reason", NOT_BY_SIGNING_IN)
def test_a_person_who_is_known_gets_a_page_and_is_never_redirected(reason: Reason) -> None:
    more: dict[Reason, dict[str, Any]] = {
        Reason.HEADERS_TOO_LARGE: {"long": "n" * 9000},
        Reason.BANNED_USER: {"banned": True},
        Reason.ANONYMOUS_USER: {"is_anonymous": True},
    }
    token = mint(claims(**more.get(reason, {})))
    deny = refused(NAVIGATE, bearer(token), **NOT_BY_SIGNING_IN[reason])
    assert (deny.reason, REASONS[reason].status) == (reason, 403)
    assert (deny.challenge.location, deny.challenge.set_cookie, deny.challenge.delivery) == ("", "", "page")


def test_a_token_of_another_issuer_is_forbidden_and_never_a_redirect() -> None:
    """Else its user would sign in, come back with the same token, and be sent away again."""
    deny = refused(NAVIGATE, bearer(mint()), issuers=frozenset({"partner"}))
    assert deny.reason is Reason.FORBIDDEN
    assert (deny.challenge.location, deny.challenge.delivery) == ("", "page")


def test_a_person_whose_sign_in_is_too_old_signs_in_anew() -> None:
    """RFC 9470 §4."""
    deny = refused(NAVIGATE, bearer(mint(claims(auth_time=1))), rule=rule({"authenticated_within_seconds": 300}))
    assert deny.reason is Reason.INSUFFICIENT_USER_AUTHENTICATION
    assert deny.challenge.location == f"{LOCATION}&max_age=300"
    assert deny.challenge.max_age == 300


def test_a_program_whose_users_sign_in_is_too_old_is_told_the_age() -> None:
    deny = refused(SCRIPT, bearer(mint(claims(auth_time=1))), rule=rule({"authenticated_within_seconds": 300}))
    assert (deny.challenge.location, deny.challenge.max_age) == ("", 300)


def test_an_optional_policy_redirects_with_a_bad_credential_alone() -> None:
    assert challenge_of(NAVIGATE, bearer("junk"), access=Access.OPTIONAL).location == LOCATION
    request = request_with(NAVIGATE)
    assert not isinstance(decide_now(request, make_snapshot(access=Access.OPTIONAL, sign_in=SIGN_IN)), Deny)


def test_an_outage_is_a_page_or_problem_details_and_never_a_redirect() -> None:
    """Nothing that an outage causes may look like "signed out"."""
    for reason in (reason for reason in Reason if REASONS[reason].status == 503):
        listed = policy("all", sign_in=SIGN_IN)
        made = Refusals().challenge(reason, NO_CHALLENGE, request_with(NAVIGATE), listed, NOW)
        assert (made.location, made.delivery) == ("", "page")


def test_each_policy_has_its_own_sign_in_page_and_its_own_origins() -> None:
    listed = policies(
        policy("api", "/api/**", sign_in=None, cors=CORS),
        policy("rest", sign_in=SIGN_IN, cors=CorsRule()),
    )
    api = challenge_of(NAVIGATE, FROM_OTHER, path="/api/x", policies=listed)
    rest = challenge_of(NAVIGATE, FROM_OTHER, path="/x", policies=listed)
    assert (api.location, api.delivery, api.allowed_origin) == ("", "page", OTHER)
    assert (rest.location[:30], rest.allowed_origin) == (LOCATION[:30], "")


@pytest.mark.parametrize("client", [(), (SCRIPT,), (NAVIGATE,)], ids=["none", "script", "person"])
def test_an_allowed_origin_may_read_every_refusal(client: tuple[tuple[str, str], ...]) -> None:
    assert challenge_of(*client, FROM_OTHER).allowed_origin == OTHER
    assert challenge_of(*client, ("Origin", "https://evil.example")).allowed_origin == ""
    assert challenge_of(*client).allowed_origin == ""
    forbidden = challenge_of(*client, FROM_OTHER, bearer(mint()), rule=rule({"roles": {"any_of": ["admin"]}}))
    assert forbidden.allowed_origin == OTHER


@pytest.mark.parametrize(
    ("path", "reason"), [("/x", Reason.NO_POLICY), ("/a//b", Reason.AMBIGUOUS_PATH)], ids=["none", "ambiguous"]
)
def test_where_no_policy_is_found_the_global_settings_count(path: str, reason: Reason) -> None:
    listed = policies(policy("api", "/api/**", sign_in=SIGN_IN))
    deny = refused(NAVIGATE, FROM_OTHER, path=path, policies=listed, refusals=Refusals(look=LOOK, cors=CORS))
    assert (deny.reason, deny.policy) == (reason, "")
    assert (deny.challenge.location, deny.challenge.allowed_origin) == ("", OTHER)
    assert deny.challenge.page is not None
    assert deny.challenge.page.look is LOOK


def test_the_sign_in_page_itself_is_never_redirected_to_itself() -> None:
    for path in ("/sign-in", "/sign-in/", "/sign-in?return_to=x"):
        challenge = challenge_of(NAVIGATE, path=path, authority="id.example.com")
        assert (challenge.location, challenge.set_cookie, challenge.delivery) == ("", "", "loop page")
        assert challenge.page is not None
        assert challenge.page.heading == "The sign-in page is not available"


def follow(*more: tuple[str, str]) -> list[Challenge]:
    """Return what a browser gets that comes back from the sign-in page at once, as often as it is sent there."""
    cookie, got = "", []
    for _ in range(8):
        got.append(challenge_of(NAVIGATE, *([("Cookie", cookie)] if cookie else []), *more))
        cookie = got[-1].set_cookie.partition(";")[0] or cookie
    return got


def test_a_loop_ends_on_a_page_that_says_why_and_another_try_redirects_again() -> None:
    answers = [challenge.delivery for challenge in follow()]
    assert answers == ["redirect"] * MAX_REDIRECTS + ["loop page"] + ["redirect"] * 2
    page = follow()[MAX_REDIRECTS].page
    assert page is not None
    assert (page.heading, page.look) == ("Signing in did not work", LOOK)


def test_links_that_are_loaded_in_advance_do_not_count() -> None:
    assert [challenge.delivery for challenge in follow(("Sec-Purpose", "prefetch"))] == ["redirect"] * 8
    assert all(not challenge.set_cookie for challenge in follow(("Sec-Purpose", "prefetch")))


def test_a_foreign_issuers_keys_play_no_part_in_where_a_person_is_sent() -> None:
    issuers = (make_issuer(), make_issuer(name="partner", iss="https://partner.example"))
    snapshot = make_snapshot(*issuers, sign_in=SIGN_IN)
    deny = decide_now(request_with(NAVIGATE, url_path="/tasks?page=2"), snapshot)
    assert isinstance(deny, Deny)
    assert deny.challenge.location == LOCATION


@pytest.mark.parametrize(
    "headers", [(), (SCRIPT, FROM_OTHER), (("Accept", "text/html"), FROM_OTHER)], ids=["program", "script", "person"]
)
def test_what_does_not_depend_on_the_request_is_made_once(headers: tuple[tuple[str, str], ...]) -> None:
    settings = {"method": "POST", "refusals": Refusals(look=Look(title="Made once"))}
    first, second = (challenge_of(*headers, **settings) for _ in range(2))
    assert first is second
    other_look = challenge_of(*headers, **settings | {"refusals": Refusals(look=Look(title="Another"))})
    assert (other_look == first) is (first.page is None)
    other_page = challenge_of(*headers, **settings, sign_in=replace(SIGN_IN, url="https://id.example.com/other"))
    assert (other_page == first) is (first.page is None)


def test_a_refusal_for_one_origin_is_never_given_to_another() -> None:
    for headers in ((SCRIPT,), (NAVIGATE,)):
        for origin, expected in ((OTHER, OTHER), ("https://evil.example", ""), (OTHER.upper(), OTHER.upper())):
            assert challenge_of(*headers, ("Origin", origin), method="POST").allowed_origin == expected
        assert challenge_of(*headers, method="POST").allowed_origin == ""
        assert challenge_of(*headers, FROM_OTHER, method="POST", cors=CorsRule()).allowed_origin == ""
