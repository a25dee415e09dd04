"""What the fuzzer is given, and what it has found, in the normal tests. No fuzzer is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, load

SEEDS = Path(__file__).parent / "seeds"
MAX_SEED_BYTES = 300 * 1024


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_of_a_target_keeps_its_invariants(name: str) -> None:
    target = load(name)
    seeds = sorted((SEEDS / name).iterdir())
    assert seeds
    for seed in seeds:
        data = seed.read_bytes()
        assert len(data) <= TARGETS[name].max_bytes, seed
        try:
            target.check(data)
        except Exception as finding:
            finding.add_note(f"with the seed {seed}")
            raise


def test_every_folder_of_seeds_belongs_to_a_target_and_all_are_small() -> None:
    assert {folder.name for folder in SEEDS.iterdir()} == set(TARGETS)
    assert sum(path.stat().st_size for path in SEEDS.rglob("*")) <= MAX_SEED_BYTES
