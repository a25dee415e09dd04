"""Which requests pass through each proxy and which are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.client import bearer, cookie
from tests.support.e2e import identity, sound
from tests.support.tokens import OTHER_SECRET, b64, mint

if TYPE_CHECKING:
    from tests.e2e.conftest import Stack

NONE_SPELLINGS = ("none", "None", "NONE", "nOnE", "noNe", "", " none", "none ", "null", "no ne", "NoNe", "nonE")


@pytest.mark.parametrize("send", [bearer, cookie], ids=["header", "cookie"])
def test_a_valid_token_passes_and_names_the_user(stack: Stack, send: Any) -> None:
    answer = stack.ask("/api/echo", send(mint(sound(name="Zoë, of Oz", roles=["admin", "a,b"]))))
    assert answer.status == 200
    assert identity(answer.json) == {
        "x-user-id": ["user-1"],
        "x-user-email": ["u1@example.com"],
        "x-user-name": ["Zo%C3%AB, of Oz"],
        "x-user-roles": ["admin,a%2Cb"],
    }


def tampered() -> dict[str, tuple[str, str]]:
    header, payload, signature = mint(sound()).split(".")
    other_payload = mint(sound(sub="admin")).split(".")[1]
    other_start = "B" if signature[0] == "A" else "A"
    return {
        "tampered payload": (f"{header}.{other_payload}.{signature}", "bad_signature"),
        "tampered signature": (f"{header}.{payload}.{other_start}{signature[1:]}", "bad_signature"),
    }


REFUSED: dict[str, tuple[str, str]] = {
    "expired": (mint(sound(iat=1, exp=2)), "expired"),
    "wrong secret": (mint(sound(), key=OTHER_SECRET), "bad_signature"),
    "wrong audience": (mint(sound(aud="billing")), "wrong_audience"),
    "no audience": (mint(sound(aud=None)), "wrong_audience"),
    "no subject": (mint(sound(sub=None)), "missing_claim"),
    **tampered(),
    "not a token": ("undefined", "malformed_token"),
    **{
        f"alg {spelling!r}": (f"{mint(sound(), header={'alg': spelling}).rsplit('.', 1)[0]}.", "wrong_algorithm")
        for spelling in NONE_SPELLINGS
    },
}  # fmt: skip


@pytest.mark.parametrize("send", [bearer, cookie], ids=["header", "cookie"])
@pytest.mark.parametrize(("token", "reason"), REFUSED.values(), ids=REFUSED)
def test_an_invalid_token_is_refused_with_its_reason(stack: Stack, send: Any, token: str, reason: str) -> None:
    answer = stack.ask("/api/echo", send(token))
    assert answer.status == 401
    assert answer.header("Content-Type") == "application/problem+json"
    assert answer.json["reason"] == reason
    assert answer.json["status"] == 401
    challenge = answer.header("WWW-Authenticate") or ""
    assert challenge.startswith('Bearer realm="authgate", error="invalid_token", error_description="')
    assert answer.header("Cache-Control") == "no-store"


def test_without_a_credential_the_challenge_has_no_error_code(stack: Stack) -> None:
    answer = stack.ask()
    assert answer.status == 401
    assert answer.header("WWW-Authenticate") == 'Bearer realm="authgate"'
    assert answer.json["reason"] == "no_credential"


def test_two_authorization_headers_are_refused(stack: Stack) -> None:
    answer = stack.ask("/api/echo", bearer(mint(sound())), bearer(mint(sound(sub="user-2"))))
    # nginx 1.22 passes both on. A proxy may also refuse the request itself.
    assert answer.status in {400, 401}


def test_a_bad_header_is_refused_even_beside_a_good_cookie(stack: Stack) -> None:
    assert stack.ask("/api/echo", bearer("bad"), cookie(mint(sound()))).status == 401


def test_an_unknown_token_type_is_refused(stack: Stack) -> None:
    answer = stack.ask("/api/echo", bearer(mint(sound(), header={"typ": "logout+jwt"})))
    assert (answer.status, answer.json["reason"]) == (401, "wrong_type")


def test_a_token_in_json_serialisation_is_refused(stack: Stack) -> None:
    header, payload, signature = mint(sound()).split(".")
    general = f'{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}'
    assert stack.ask("/api/echo", bearer(b64(general.encode()))).status == 401
    assert stack.ask("/api/echo", f"Authorization: Bearer {general}").status == 401


def test_a_public_route_passes_without_a_token_and_without_identity(stack: Stack) -> None:
    answer = stack.ask("/healthz", "X-User-Id: admin", "X-User-Roles: admin")
    assert answer.status == 200
    assert identity(answer.json) == {}


def test_the_bodies_of_posts_pass_complete(stack: Stack) -> None:
    body = bytes(range(256)) * 4096
    answer = stack.ask(
        "/api/echo", bearer(mint(sound())), "Content-Type: application/octet-stream", method="POST", body=body
    )
    assert answer.status == 200
    assert answer.json["body_bytes"] == len(body)
    assert answer.json["method"] == "POST"


def test_an_upstreams_own_refusals_and_errors_pass_unchanged(stack: Stack) -> None:
    for status in (401, 403, 500, 404):
        answer = stack.ask(f"/api/status/{status}", bearer(mint(sound())))
        assert answer.status == status
        assert answer.json["path"] == f"/api/status/{status}"


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_needs_a_token(stack: Stack, method: str) -> None:
    assert stack.ask("/api/echo", method=method).status == 401
    assert stack.ask("/api/echo", bearer(mint(sound())), method=method).status == 200
