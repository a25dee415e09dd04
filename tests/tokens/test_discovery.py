"""Authorization server metadata: its possible URLs, and whose `jwks_uri` is accepted (J13)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from authgate.tokens.discovery import BadMetadata, jwks_uri, metadata_urls

ISSUER = "https://issuer.example/tenant"
URI = "https://issuer.example/tenant/jwks"


def document(**changes: Any) -> bytes:
    metadata = {"issuer": ISSUER, "jwks_uri": URI, **changes}
    return json.dumps({name: value for name, value in metadata.items() if value is not ...}).encode()


def fault(raw: bytes) -> str:
    with pytest.raises(BadMetadata) as bad:
        jwks_uri(raw, ISSUER)
    return str(bad.value)


@pytest.mark.parametrize(
    ("issuer", "openid", "oauth"),
    [
        (
            "https://issuer.example",
            "https://issuer.example/.well-known/openid-configuration",
            "https://issuer.example/.well-known/oauth-authorization-server",
        ),
        (
            "https://issuer.example/",
            "https://issuer.example/.well-known/openid-configuration",
            "https://issuer.example/.well-known/oauth-authorization-server",
        ),
        (  # the examples of Discovery §4.1 and RFC 8414 §3.1
            "https://example.com/issuer1",
            "https://example.com/issuer1/.well-known/openid-configuration",
            "https://example.com/.well-known/oauth-authorization-server/issuer1",
        ),
        (
            "http://localhost:8080/realms/main/",
            "http://localhost:8080/realms/main/.well-known/openid-configuration",
            "http://localhost:8080/.well-known/oauth-authorization-server/realms/main",
        ),
    ],
)
def test_the_well_known_path_comes_after_the_issuers_path_or_before_it(issuer: str, openid: str, oauth: str) -> None:
    assert metadata_urls(issuer) == (openid, oauth)


def test_the_document_has_the_url_of_the_keys() -> None:
    assert jwks_uri(document(token_endpoint="https://issuer.example/token"), ISSUER) == URI


@pytest.mark.parametrize(
    "other",
    [
        "https://issuer.example",
        "https://issuer.example/tenant/",
        "https://issuer.example/tenant2",
        "https://issuer.example/Tenant",
        "https://ISSUER.example/tenant",
        "http://issuer.example/tenant",
        "https://issuer.example:443/tenant",
        " https://issuer.example/tenant",
        "https://evil.example/?https://issuer.example/tenant",
        "https://\u0131ssuer.example/tenant",
        "",
    ],
)
def test_j13_a_document_of_another_issuer_is_rejected_and_both_are_named(other: str) -> None:
    message = fault(document(issuer=other))
    assert message.startswith(f"its issuer is {other!a}, but")
    assert repr(ISSUER) in message
    assert message.isascii()


@pytest.mark.parametrize(
    ("stated", "configured", "advice"),
    [
        ("https://issuer.example", "https://issuer.example/", "remove the / at the end"),
        ("https://issuer.example/", "https://issuer.example", "add a / at the end"),
        ("https://issuer.example/", "https://issuer.example//", "remove the / at the end"),
        ("https://issuer.example//", "https://issuer.example", "they must be the same, character by character"),
    ],
)
def test_the_message_says_if_only_the_slash_at_the_end_differs(stated: str, configured: str, advice: str) -> None:
    with pytest.raises(BadMetadata) as bad:
        jwks_uri(document(issuer=stated), configured)
    assert str(bad.value) == f"its issuer is {stated!r}, but the configured issuer is {configured!r}: {advice}"


@pytest.mark.parametrize("other", [None, ..., [ISSUER], {"issuer": ISSUER}, 1, True], ids=repr)
def test_j13_a_document_without_an_issuer_is_rejected(other: Any) -> None:
    assert fault(document(issuer=other)).startswith("its issuer is missing or not a string, but the configured issuer")


@pytest.mark.parametrize("uri", [..., None, [URI], {"url": URI}, 1], ids=repr)
def test_a_document_without_the_url_of_the_keys_is_rejected(uri: Any) -> None:
    assert fault(document(jwks_uri=uri)) == "it has no jwks_uri"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<!doctype html>",
        b"[]",
        b"null",
        document()[:-1],
        b"\xff" + document(),
        b"\xef\xbb\xbf" + document(),
        document()[:-1] + b',"issuer":"https://issuer.example/tenant"}',
        b'{"issuer":' * 100,
    ],
    ids=repr,
)
def test_a_document_that_is_not_a_json_object_is_rejected(raw: bytes) -> None:
    assert fault(raw).startswith("it is not a metadata document: ")


def test_a_long_value_is_not_quoted_in_full() -> None:
    assert len(fault(document(issuer="https://issuer.example/" + "a" * 10_000))) < 500


@pytest.mark.parametrize("name", ["tenantid", "tenant", "tenant_id", "TENANT-1"])
def test_a_document_for_all_tenants_is_rejected_with_the_advice_to_name_one(name: str) -> None:
    message = fault(document(issuer=f"https://login.microsoftonline.com/{{{name}}}/v2.0"))
    assert f"with the id of the tenant in place of {{{name}}}" in message
    assert "character by character" not in message
