"""The metrics of keys and reloads, with a real issuer."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.issuer import Issuer, running_issuer
from tests.support.serving import ENVIRON, Served, bearer_line, exchange, head, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Labels = frozenset[tuple[str, str]]


@pytest.fixture
def jwks_issuer(tmp_path: Path) -> Iterator[Issuer]:
    with running_issuer(tmp_path) as running:
        yield running


def write_config(folder: Path, jwks_issuer: Issuer, **settings: object) -> str:
    entry = {
        "name": "app",
        "preset": "jwt",
        "issuer": jwks_issuer.url,
        "jwks_url": jwks_issuer.jwks_url,
        "allow_http": True,
    }
    entry |= {"audiences": ["tasks"], "cooldown_seconds": 1}
    path = folder / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": [entry], **settings}))
    return str(path)


async def read_samples(served: Served) -> dict[tuple[str, Labels], float]:
    families = text_string_to_metric_families(await served.metrics())
    samples = [sample for family in families for sample in family.samples]
    by_labels = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
    assert len(by_labels) == len(samples), "a sample occurs twice"
    return by_labels


def app(name: str, **labels: str) -> tuple[str, Labels]:
    """Return the key of this sample of the issuer "app"."""
    return name, frozenset({"issuer": "app", **labels}.items())


async def status(served: Served, token: str) -> int:
    return (await served.ask("nginx", bearer_line(token))).status


async def test_the_metrics_show_a_rotation_and_an_outage(tmp_path: Path, jwks_issuer: Issuer) -> None:
    async with serving(ENVIRON, file=write_config(tmp_path, jwks_issuer)) as served:
        keys = served.app.live.watched_keys["app"]
        assert (await read_samples(served))[app("authgate_keys")] == 0
        await keys.first_attempt.wait()
        assert [await status(served, jwks_issuer.token(sub=sub)) for sub in ("u1", "u2", "u2")] == [200] * 3
        old = jwks_issuer.token()
        jwks_issuer.rotate("K2", overlap=False)
        assert await status(served, jwks_issuer.token()) == 200
        assert await status(served, old) == 401
        samples = await read_samples(served)
        assert samples[app("authgate_keys")] == 1
        assert samples[app("authgate_keys_skipped")] == 0
        assert samples[app("authgate_keys_last_load_successful")] == 1
        assert samples[app("authgate_keys_loads_total", outcome="changed")] == 2
        assert samples[app("authgate_unknown_key_ids_total")] == 2
        assert samples[app("authgate_departed_key_ids_total")] == 1
        assert samples[app("authgate_key_proofs_total", key_id="K2", algorithm="ES256")] == 1
        assert app("authgate_key_proofs_total", key_id="K1", algorithm="ES256") not in samples, (
            "only keys in the key set"
        )
        at, due = (samples[app(f"authgate_keys_{name}_timestamp_seconds")] for name in ("last_success", "next_refresh"))
        assert at <= time.time() + 1
        assert 200 < due - at <= 301

        jwks_issuer.answer("status", code=500)
        async with asyncio.timeout(15):
            while not keys.failure:
                keys._cooldown_began_at = float("-inf")  # no cooldown
                await status(served, jwks_issuer.token(header={"kid": "K3"}))
        samples = await read_samples(served)
        assert samples[app("authgate_keys")] == 1
        assert samples[app("authgate_keys_last_load_successful")] == 0
        assert samples[app("authgate_keys_loads_total", outcome="failed")] >= 1
        assert samples[app("authgate_keys_last_success_timestamp_seconds")] == pytest.approx(at, abs=2)


async def test_the_metrics_follow_the_configuration(tmp_path: Path, jwks_issuer: Issuer) -> None:
    """A removed issuer leaves no samples, and reloads are counted."""
    file = write_config(tmp_path, jwks_issuer)
    async with serving(ENVIRON, file=file) as served:
        samples = await read_samples(served)
        loaded = samples["authgate_config_loaded_timestamp_seconds", frozenset()]
        assert loaded == pytest.approx(time.time(), abs=60)
        assert samples["authgate_config_last_reload_successful", frozenset()] == 1
        for name in ("succeeded", "failed"):
            assert samples["authgate_config_reloads_total", frozenset({("outcome", name)})] == 0
        (tmp_path / "authgate.yaml").write_text(
            (tmp_path / "authgate.yaml").read_text().replace("name: app", "name: moved")
        )
        served.reloader.request()
        async with asyncio.timeout(15):
            while not sum(served.app.reloads.outcomes.values()):  # noqa: ASYNC110 - set by no event
                await asyncio.sleep(0.005)
        samples = await read_samples(served)
        of_issuers = [dict(labels) for _, labels in samples if "issuer" in dict(labels)]
        assert {labels["issuer"] for labels in of_issuers if labels.get("kind") != "refusals"} == {"moved"}
        assert {labels["issuer"] for labels in of_issuers if labels.get("kind") == "refusals"} == {""}  # one for all
        assert samples["authgate_config_reloads_total", frozenset({("outcome", "succeeded")})] == 1
        assert samples["authgate_config_loaded_timestamp_seconds", frozenset()] >= loaded


@pytest.mark.parametrize(("ready_when", "ready"), [("any", 200), ("all", 503)])
async def test_readiness_depends_on_the_issuers_that_can_verify(
    tmp_path: Path, jwks_issuer: Issuer, ready_when: str, ready: int
) -> None:
    jwks_issuer.close()
    file = write_config(tmp_path, jwks_issuer, ready_when=ready_when)
    document = yaml.safe_load((tmp_path / "authgate.yaml").read_text())
    local = {"name": "local", "preset": "jwt", "secret_env": "JWT_SECRET", "audiences": "any", "subject_prefix": ""}
    document["issuers"].append(local)
    (tmp_path / "authgate.yaml").write_text(yaml.safe_dump(document))
    async with serving(ENVIRON, file=file) as served:
        await served.app.live.watched_keys["app"].first_attempt.wait()
        answer = await exchange(served.admin, head("/readyz", [("Host", "localhost")]))
    assert answer.status == ready
    issuers = json.loads(answer.body)["issuers"]
    assert issuers["local"] == {"state": "ready", "keys": 1}
    assert (issuers["app"]["state"], issuers["app"]["keys"]) == ("no keys", 0)
    assert "no connection to 127.0.0.1" in issuers["app"]["why"]
