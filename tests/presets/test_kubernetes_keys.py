"""Keys from a server that behaves as a cluster's API server, and from one like those of EKS and AKS, over real TLS.

The API server shows its keys only to pods, its CA is private, and the `jwks_uri` in its metadata leads nowhere.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.certificates import Authority
from tests.support.issuer import Issuer, running_issuer
from tests.support.provider import Provider
from tests.support.reloadable import reloadable_server
from tests.support.serving import bearer_line
from tests.support.waiting import until_async

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.reloadable import ReloadableServer

ISS = "https://kubernetes.default.svc.cluster.local"
WORKER = "system:serviceaccount:shop:worker"
BOUND = {"namespace": "shop", "serviceaccount": {"name": "worker", "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"}}
KEYS = "/openid/v1/jwks"
FIRST, SECOND = "first-token-canary", "second-token-canary"


@pytest.fixture
def authority() -> Authority:
    return Authority("kubernetes")


@pytest.fixture
def api_server(tmp_path: Path, authority: Authority) -> Iterator[Issuer]:
    with running_issuer(tmp_path, tls=authority.issue("127.0.0.1"), algorithm="RS256") as server:
        server.discovery(issuer=ISS, jwks_uri=f"https://192.0.2.1:6443{KEYS}")
        publish(server, "K1")
        server.answer("bearer", token=FIRST, on=KEYS)
        yield server


def publish(server: Issuer, *key_ids: str) -> None:
    """Publish these keys, and one of a kind that AuthGate does not know: clusters may sign with ML-DSA."""
    unknown = {"kty": "AKP", "alg": "ML-DSA-65", "kid": "post-quantum", "use": "sig", "pub": "AAAA"}
    server.document({"keys": [unknown, *(server.keys[key_id].jwk for key_id in key_ids)]}, on=KEYS)
    server.headers({"Cache-Control": "public, max-age=3600", "Content-Type": "application/jwk-set+json"}, on=KEYS)


@pytest.fixture
def pod(tmp_path: Path, authority: Authority) -> Path:
    """The folder that the kubelet makes: it has links to files, and one link leads to all that belong together."""
    folder = tmp_path / "pod"
    for name, token in (("..2027_01", FIRST), ("..2027_02", SECOND)):
        (folder / name).mkdir(parents=True)
        (folder / name / "token").write_text(token)
        (folder / name / "ca.crt").write_bytes(authority.pem)
    (folder / "..data").symlink_to("..2027_01")
    for name in ("token", "ca.crt"):
        (folder / name).symlink_to(f"..data/{name}")
    return folder


def replace_token(pod: Path) -> None:
    (pod / "..data_tmp").symlink_to("..2027_02")
    (pod / "..data_tmp").rename(pod / "..data")


def settings(server: Issuer, pod: Path) -> dict[str, Any]:
    """Return the page's issuer with these addresses in place of those in a cluster."""
    paths = {"jwks_token_file": str(pod / "token"), "ca_file": str(pod / "ca.crt")}
    changes = {"jwks_url": f"https://{server.address}{KEYS}", "cooldown_seconds": 1, **paths}
    issuer: dict[str, Any] = Provider("kubernetes").configuration(changes)["issuers"][0]
    return issuer


def token_of_the_worker(server: Issuer, iss: str = ISS, **options: Any) -> str:
    claims = {"iss": iss, "aud": ["https://tasks.example.com"], "nbf": int(time.time()), "kubernetes.io": BOUND}
    return server.token(WORKER, header={"typ": None}, **claims, **options)


async def user(server: ReloadableServer, token: str) -> tuple[int, list[str]]:
    answer = await server.served.ask("nginx", bearer_line(token))
    return answer.status, answer.all("X-User-Id")


async def test_the_token_of_a_pod_is_verified_under_the_keys_of_the_cluster(
    tmp_path: Path, api_server: Issuer, pod: Path
) -> None:
    async with reloadable_server(tmp_path, settings(api_server, pod)) as server:
        assert await user(server, token_of_the_worker(api_server)) == (200, [WORKER])
    seen = {(request.path, request.headers.get("authorization")) for request in api_server.requests()}
    assert seen == {(KEYS, f"Bearer {FIRST}")}


async def test_a_new_key_is_fetched_with_the_token_that_the_kubelet_wrote_since(
    tmp_path: Path, api_server: Issuer, pod: Path
) -> None:
    async with reloadable_server(tmp_path, settings(api_server, pod)) as server:
        assert await user(server, token_of_the_worker(api_server)) == (200, [WORKER])
        replace_token(pod)
        api_server.add("K2")
        publish(api_server, "K1", "K2")
        api_server.answer("bearer", token=SECOND, on=KEYS)
        token = token_of_the_worker(api_server, key="K2")

        async def is_accepted() -> bool:
            return await user(server, token) == (200, [WORKER])

        assert await until_async(is_accepted)
    assert api_server.requests(KEYS)[-1].headers["authorization"] == f"Bearer {SECOND}"


async def test_without_the_token_of_its_pod_authgate_has_no_keys_and_says_why(
    tmp_path: Path, api_server: Issuer, pod: Path
) -> None:
    (pod / "token").unlink()
    async with reloadable_server(tmp_path, settings(api_server, pod)) as server:
        assert await server.status(token_of_the_worker(api_server)) == 503
        keys = (await server.admin_page("/keys")).decode()
    assert f"jwks_token_file: cannot read {pod}/token: No such file or directory" in keys
    assert api_server.requests() == []


async def test_the_api_server_of_another_cluster_gets_no_token(tmp_path: Path, api_server: Issuer, pod: Path) -> None:
    (pod / "..2027_01" / "ca.crt").write_bytes(Authority("kubernetes").pem)
    async with reloadable_server(tmp_path, settings(api_server, pod)) as server:
        assert await server.status(token_of_the_worker(api_server)) == 503
        assert b"its certificate is not trusted" in await server.admin_page("/keys")
    assert api_server.requests() == []


@pytest.mark.parametrize("end", ["", "/"], ids=["EKS", "AKS"])
async def test_the_keys_of_a_public_issuer_are_found_by_its_metadata_and_no_token_is_sent(
    tmp_path: Path, authority: Authority, pod: Path, end: str
) -> None:
    with running_issuer(tmp_path, tls=authority.issue("127.0.0.1"), path="/id/0A1B", algorithm="RS256") as public:
        iss = f"{public.url}{end}"
        public.discovery(issuer=iss)
        given = settings(public, pod) | {"issuer": iss, "in_cluster": False}
        del given["jwks_url"], given["jwks_token_file"]
        async with reloadable_server(tmp_path, given) as server:
            assert await user(server, token_of_the_worker(public, iss)) == (200, [WORKER])
        assert [request.path for request in public.requests()] == [public.openid_path, public.jwks_path]
        assert all("authorization" not in request.headers for request in public.requests())
