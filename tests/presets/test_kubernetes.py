"""Service account tokens of Kubernetes 1.34, as its API server makes them: for pods, by hand, and the refused kinds.

https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/ and pkg/serviceaccount/claims.go and
legacy.go name the claims. The header has no `typ`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.provider import Provider, Slip, Token, times
from tests.support.published import NOT_FOUND, Published, Wrong

if TYPE_CHECKING:
    from pathlib import Path

KUBERNETES = Provider("kubernetes", header={"typ": ...})
ISS = "https://kubernetes.default.svc.cluster.local"
EKS = "https://oidc.eks.eu-central-1.amazonaws.com/id/0A1B2C3D4E5F60718293A4B5C6D7E8F9"
AKS = "https://westeurope.oic.prod-aks.azure.com/72f988bf-86f1-41af-91ab-2d7cd011db47/5f1b2c3d-0000-4000-8000-1a2b3c4d5e6f/"
TASKS = "https://tasks.example.com"
WORKER = "system:serviceaccount:shop:worker"

BOUND: dict[str, Any] = {
    "namespace": "shop",
    "node": {"name": "n1", "uid": "646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1"},
    "pod": {"name": "worker-5b9c", "uid": "5e0bd49b-f040-43b0-99b7-22765a53f7f3"},
    "serviceaccount": {"name": "worker", "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"},
}
PROJECTED: dict[str, Any] = {
    **times(begins=True), "aud": [TASKS], "iss": ISS, "jti": "ed9a1a2a-9e0f-4e1a-8a2d-0d3ab9a0c0f1",
    "kubernetes.io": BOUND, "sub": WORKER,
}  # fmt: skip
# Version 1.28 writes no jti and no node.
OLDER = PROJECTED | {
    "jti": ...,
    "kubernetes.io": {name: BOUND[name] for name in ("namespace", "pod", "serviceaccount")},
}
# kubectl create token worker -n shop --audience https://tasks.example.com
BY_HAND = PROJECTED | {"kubernetes.io": {name: BOUND[name] for name in ("namespace", "serviceaccount")}}
# The token that every pod has at /var/run/secrets/kubernetes.io/serviceaccount/token. It lives for a year.
FOR_API_SERVER = PROJECTED | times(31_536_000) | {"aud": [ISS], "kubernetes.io": BOUND | {"warnafter": 1_800_003_607}}
OF_A_SECRET: dict[str, Any] = {
    "iss": "kubernetes/serviceaccount", "sub": WORKER,
    "kubernetes.io/serviceaccount/namespace": "shop",
    "kubernetes.io/serviceaccount/secret.name": "worker-token-x7k2p",
    "kubernetes.io/serviceaccount/service-account.name": "worker",
    "kubernetes.io/serviceaccount/service-account.uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798",
}  # fmt: skip
OTHER: dict[str, Any] = PROJECTED | {
    "sub": "system:serviceaccount:shop:intern",
    "kubernetes.io": BOUND | {"serviceaccount": {"name": "intern", "uid": "9f"}},
}
ELSEWHERE: dict[str, Any] = PROJECTED | {
    "sub": "system:serviceaccount:lab:worker",
    "kubernetes.io": BOUND | {"namespace": "lab"},
}

OF_SHOP = {"service_accounts": None, "namespaces": ["shop"]}
OF_ALL = {"service_accounts": None, "namespaces": "any"}
BY_UID = {"identity": {"subject": '"kubernetes.io".serviceaccount.uid'}}

TOKENS = [
    Token(
        name="of a pod",
        claims=PROJECTED,
        headers={"X-User-Id": WORKER, "X-User-Roles": "", "X-User-Email": ""},
    ),
    Token(name="of a pod of version 1.28", claims=OLDER, headers={"X-User-Id": WORKER}),
    Token(name="by hand", claims=BY_HAND, headers={"X-User-Id": WORKER}),
    Token(name="by elliptic curve", claims=PROJECTED, algorithm="ES256", headers={"X-User-Id": WORKER}),
    Token(name="for two audiences", claims=PROJECTED | {"aud": ["vault", TASKS]}, headers={"X-User-Id": WORKER}),
    Token(
        name="by namespace",
        claims=OTHER,
        settings=OF_SHOP,
        headers={"X-User-Id": "system:serviceaccount:shop:intern"},
    ),
    Token(
        name="of any namespace",
        claims=ELSEWHERE,
        settings=OF_ALL,
        headers={"X-User-Id": "system:serviceaccount:lab:worker"},
    ),
    Token(
        name="with the uid for subject",
        claims=PROJECTED,
        settings=BY_UID,
        headers={"X-User-Id": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"},
    ),
    Token(name="of EKS", claims=PROJECTED | {"iss": EKS}, settings={"issuer": EKS}, headers={"X-User-Id": WORKER}),
    Token(name="of AKS", claims=PROJECTED | {"iss": AKS}, settings={"issuer": AKS}, headers={"X-User-Id": WORKER}),
    Token(name="for the API server", claims=FOR_API_SERVER, answer="401 wrong_audience", detail="its aud"),
    Token(name="for another service", claims=PROJECTED | {"aud": ["vault"]}, answer="401 wrong_audience"),
    Token(name="without aud", claims=PROJECTED | {"aud": ...}, answer="401 wrong_audience", detail="missing"),
    Token(name="of a Secret", claims=OF_A_SECRET, answer="401 unknown_issuer", detail="kubernetes/serviceaccount"),
    Token(
        name="of a Secret, with the cluster's iss",
        claims=OF_A_SECRET | {"iss": ISS},
        answer="401 missing_claim",
        detail="it has no exp",
    ),
    Token(name="without exp", claims=PROJECTED | {"exp": ...}, answer="401 missing_claim", detail="it has no exp"),
    Token(
        name="of another account",
        claims=OTHER,
        answer="401 wrong_claim",
        detail="its sub",
    ),
    Token(
        name="of that name in another namespace",
        claims=ELSEWHERE,
        answer="401 wrong_claim",
        detail="service_accounts",
    ),
    Token(
        name="of another namespace",
        claims=ELSEWHERE,
        settings=OF_SHOP,
        answer="401 wrong_claim",
        detail='its "kubernetes.io".namespace',
    ),
    Token(
        name="that names no account",
        claims=PROJECTED | {"kubernetes.io": ...},
        answer="401 missing_claim",
        detail='it has no "kubernetes.io".serviceaccount.name',
    ),
    Token(
        name="that names no namespace",
        claims=PROJECTED | {"kubernetes.io": {"serviceaccount": {"name": "worker"}}},
        settings=OF_ALL,
        answer="401 missing_claim",
        detail='it has no "kubernetes.io".namespace',
    ),
    Token(name="of another cluster", claims=PROJECTED | {"iss": EKS}, answer="401 unknown_issuer"),
    Token(name="bound to a key", claims=PROJECTED | {"cnf": {"jkt": "x"}}, answer="401 wrong_claim"),
    Token(name="expired", claims=PROJECTED | times(-60), answer="401 expired"),
]
SLIPS = [
    Slip(settings={"issuer": "kubernetes/serviceaccount"}, setting="issuer", message="tokens in Secrets"),
    Slip(settings={"issuer": f"{ISS}/.well-known/openid-configuration"}, setting="issuer", message="kubectl get --raw"),
    Slip(settings={"issuer": AKS.removesuffix("/")}, setting="issuer", message="add it"),
    Slip(
        settings={"in_cluster": None, "issuer": EKS.removeprefix("https://")},
        setting="issuer",
        message="is not an https URL",
    ),
    Slip(settings={"audiences": None}, setting="audiences", message="choose a name for your API"),
    Slip(settings={"audiences": "any"}, setting="audiences", message="accepts tokens for the API server"),
    Slip(settings={"audiences": [TASKS, ISS]}, setting="audiences", message=f"'{ISS}' accepts tokens for the API"),
    Slip(settings={"audiences": ["https://kubernetes.default.svc"]}, setting="audiences", message="for the API server"),
    Slip(settings={"audiences": ["k3s"]}, setting="audiences", message="for the API server"),
    Slip(settings={"issuer": EKS, "audiences": [EKS]}, setting="audiences", message="for the API server"),
    Slip(settings={"service_accounts": None}, setting="service_accounts", message="every pod of the cluster"),
    Slip(settings={"service_accounts": []}, setting="service_accounts", message="is empty"),
    Slip(settings={"service_accounts": ["worker"]}, setting="service_accounts[0]", message="write it like shop/worker"),
    Slip(settings={"service_accounts": [WORKER]}, setting="service_accounts[0]", message="write it like shop/worker"),
    Slip(settings={"service_accounts": ["shop/*"]}, setting="service_accounts[0]", message="or set namespaces"),
    Slip(settings={"namespaces": ["shop"]}, setting="namespaces", message="both set"),
    Slip(
        settings={"service_accounts": None, "namespaces": ["shop/worker"]},
        setting="namespaces[0]",
        message="is not a namespace",
    ),
    Slip(settings={"in_cluster": "yes"}, setting="in_cluster", message="write true or false"),
    Slip(settings={"in_cluster": False}, setting="in_cluster", message="set jwks_file"),
    Slip(
        settings={"in_cluster": False, "jwks_token_file": "token", "jwks_url": "http://10.0.0.1/openid/v1/jwks"},
        setting="jwks_token_file",
        message="in clear",
    ),
]
PUBLISHED = [
    Published(
        name="of EKS",
        settings={"in_cluster": None, "issuer": EKS},
        issuer=EKS,
        keys_url=f"{EKS}/keys",
        claims={"iss": EKS},
        wrong=[Wrong(settings={"issuer": f"{EKS[:-1]}0"}, message=NOT_FOUND)],
    ),
    Published(
        name="of a cluster whose keys are at the address of one API server",
        settings={"in_cluster": False, "discovery": True},
        issuer=ISS,
        keys_url="https://192.168.199.22:6443/openid/v1/jwks",
        content_type="application/jwk-set+json",
    ),
]


@pytest.mark.parametrize("token", TOKENS, ids=str)
def test_a_token_gets_the_right_decision(tmp_path: Path, token: Token) -> None:
    KUBERNETES.check(tmp_path, token)


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_in_the_settings_has_a_message(tmp_path: Path, slip: Slip) -> None:
    KUBERNETES.check_slip(tmp_path, slip)


def test_the_organization_is_the_namespace(tmp_path: Path) -> None:
    decision = KUBERNETES.decide(tmp_path, PROJECTED, headers={"X-User-Id": "subject", "X-Namespace": "organization"})
    assert decision.headers["X-Namespace"] == "shop"


def test_a_mistake_in_audiences_is_not_reported_as_any(tmp_path: Path) -> None:
    assert [*KUBERNETES.problems(tmp_path, {"audiences": TASKS})] == ["audiences"]


@pytest.mark.parametrize(
    ("issuer", "warned"),
    [("https://10.0.0.1:6443", True), (EKS.removeprefix("https://"), True), (EKS, False), (None, False)],
)
def test_an_issuer_that_no_cluster_has_is_a_warning(tmp_path: Path, issuer: str | None, *, warned: bool) -> None:
    warnings = KUBERNETES.prepared(tmp_path, {"issuer": issuer}).warnings
    assert any("is probably not the `iss`" in warning for warning in warnings) is warned


OF_POD = {
    "jwks_url": "https://kubernetes.default.svc/openid/v1/jwks",
    "jwks_token_file": "/var/run/secrets/kubernetes.io/serviceaccount/token",
    "ca_file": "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
}
OTHER_HOST = "https://10.0.0.1:6443/openid/v1/jwks"
AT_ISSUER = {"discovery": True, "jwks_url": None, "jwks_token_file": None, "ca_file": None}


@pytest.mark.parametrize(
    ("settings", "fetching"),
    [
        ({"in_cluster": None}, OF_POD),
        ({"in_cluster": None, "issuer": "https://kubernetes.default.svc"}, OF_POD),
        ({"in_cluster": None, "issuer": "https://kubernetes.default.svc.example.internal"}, OF_POD),
        ({"in_cluster": True, "issuer": EKS}, OF_POD),
        ({"in_cluster": True, "jwks_token_file": "/run/token"}, OF_POD | {"jwks_token_file": "/run/token"}),
        # The pod's token is for the API server, and goes nowhere else unless the operator says so.
        ({"in_cluster": None, "jwks_url": OTHER_HOST}, AT_ISSUER | {"discovery": False, "jwks_url": OTHER_HOST}),
        (
            {"in_cluster": True, "jwks_url": OTHER_HOST, "jwks_token_file": "/run/token"},
            {"jwks_url": OTHER_HOST, "jwks_token_file": "/run/token", "ca_file": None},
        ),
        ({"in_cluster": None, "issuer": EKS}, AT_ISSUER),
        ({"in_cluster": None, "issuer": AKS}, AT_ISSUER),
        ({"in_cluster": None, "issuer": "https://kubernetes.default.svc-of.example.com"}, AT_ISSUER),
    ],
)
def test_the_settings_say_where_the_keys_are(
    tmp_path: Path, settings: dict[str, Any], fetching: dict[str, Any]
) -> None:
    loaded = KUBERNETES.load(tmp_path, settings)
    assert loaded.problems == ()
    config = loaded.issuers[0].config
    assert {name: config.given(name) for name in fetching} == fetching


def test_a_file_of_keys_replaces_the_api_server_and_the_token_for_it(tmp_path: Path) -> None:
    keys = tmp_path / "jwks.json"
    keys.write_text("{}")
    config = KUBERNETES.load(tmp_path, {"in_cluster": True, "jwks_file": str(keys)}).issuers[0].config
    assert config.key_settings == ("jwks_file",)
    assert config.given("jwks_token_file") is None


def test_another_ca_file_than_that_of_the_pod_must_be_there(tmp_path: Path) -> None:
    """The one in a pod need not: `authgate check` runs elsewhere, too."""
    problems = KUBERNETES.problems(tmp_path, {"ca_file": "/nowhere/ca.crt"})
    assert "cannot read /nowhere/ca.crt" in problems["ca_file"]
    assert KUBERNETES.problems(tmp_path, {"ca_file": OF_POD["ca_file"]}) == {}
