"""The tokens of Entra ID as Microsoft documents them: versions 1.0 and 2.0, of users and of programs; its keys.

https://learn.microsoft.com/entra/identity-platform/access-tokens, …/access-token-claims-reference and
…/id-token-claims-reference name the claims (May 2025).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.provider import KEY_ID, Provider, times
from tests.support.tokens import public_jwk

if TYPE_CHECKING:
    from pathlib import Path

ENTRA = Provider("entra")
TENANT, OTHER = "5d3f1c0e-8a47-4b62-9c11-2e7a90b4d6f8", "c2f7a916-4e0b-4d85-b3a1-6f0d92e847c5"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
API, PAGE = "0b7e4d9a-63c2-4f18-a5d7-91e8c2f04b36", "9a2c5e71-0d84-4b3f-8e60-7f1b3c95d2a4"
USER, PROGRAM = "690222be-ff1a-4d56-abd1-7e4f7d38e474", "2f0c6b85-91de-4a37-8c4f-b5e1a07d3926"
TEMPLATE = "https://login.microsoftonline.com/{tenantid}/v2.0"


def version_2(tenant: str = TENANT) -> dict[str, Any]:
    return {"iss": f"https://login.microsoftonline.com/{tenant}/v2.0", "tid": tenant, "ver": "2.0"}


def version_1(tenant: str = TENANT) -> dict[str, Any]:
    return {"iss": f"https://sts.windows.net/{tenant}/", "tid": tenant, "ver": "1.0"}


ACCESS: dict[str, Any] = {
    **times(3900, begins=True), **version_2(), "aud": API, "aio": "AXQAi/8IAAAA", "azp": PAGE, "azpacr": "0",
    "name": "Abe Lincoln", "oid": USER, "preferred_username": "abeli@example.com", "rh": "I",
    "roles": ["Tasks.Admin"], "scp": "access_as_user", "sub": "HKZpfaHyWadeOouYlitjrI", "uti": "fqiBqXLPj0eQa82S",
}  # fmt: skip
ACCESS_1: dict[str, Any] = {
    **times(3900, begins=True), **version_1(), "aud": f"api://{API}", "acr": "1", "aio": "A", "amr": ["pwd", "mfa"],
    "appid": PAGE, "appidacr": "0", "family_name": "Lincoln", "given_name": "Abe", "ipaddr": "203.0.113.7",
    "name": "Abe Lincoln", "oid": USER, "rh": "I", "scp": "user_impersonation", "sub": "HKZpfaHyWadeOouYlitjrI",
    "unique_name": "abeli@example.com", "upn": "abeli@example.com", "uti": "f",
}  # fmt: skip
ID: dict[str, Any] = {
    **times(3600, begins=True), **version_2(), "aud": API, "aio": "A", "name": "Abe Lincoln", "oid": USER, "rh": "I",
    "preferred_username": "abeli@example.com", "sub": "HKZpfaHyWadeOouYlitjrI", "uti": "f", "roles": ["Tasks.Admin"],
}  # fmt: skip
OF_PROGRAM: dict[str, Any] = {
    **times(3600, begins=True), **version_2(), "aud": API, "aio": "A", "azp": PAGE, "azpacr": "1", "oid": PROGRAM,
    "rh": "I", "roles": ["Tasks.Read.All"], "sub": PROGRAM, "uti": "f",
}  # fmt: skip
OF_PROGRAM_1: dict[str, Any] = {
    **times(3600, begins=True), **version_1(), "aud": API, "aio": "A", "appid": PAGE, "appidacr": "1",
    "idp": f"https://sts.windows.net/{TENANT}/", "idtyp": "app", "oid": PROGRAM, "rh": "I",
    "roles": ["Tasks.Read.All"], "sub": PROGRAM, "uti": "f",
}  # fmt: skip
GRAPH: dict[str, Any] = ACCESS_1 | {"aud": "00000003-0000-0000-c000-000000000000", "scp": "User.Read profile openid"}
MANY_GROUPS = {
    "_claim_names": {"groups": "src1"},
    "_claim_sources": {"src1": {"endpoint": "https://graph.windows.net/x"}},
}

ANY = {"tenant": None, "tenants": "any"}
TWO = {"tenant": None, "tenants": [TENANT, OTHER]}
OF_PAGE = {"clients": [PAGE]}
BY_GROUPS = {"identity": {"roles": "groups"}}


def keys(folder: Path, **members: Any) -> str:
    """Return a file with the tests' key as Entra publishes its keys: without `alg`, with its issuer."""
    file = folder / "entra.json"
    jwk = public_jwk("RS256", KEY_ID, alg=None, use="sig", x5t=KEY_ID, cloud_instance_name="microsoftonline.com")
    file.write_text(json.dumps({"keys": [jwk | members]}))
    return str(file)
