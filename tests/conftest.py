"""Settings for all tests."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from authgate import bugs, files, repeats
from tests.support.signals_and_leftovers import pytest_configure, pytest_unconfigure

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

__all__ = ["pytest_configure", "pytest_unconfigure"]  # pytest finds these hooks here

# No deadline: these tests assert no time. In CI every run has the same examples, so that only the change can make one
# fail; elsewhere examples are new. HYPOTHESIS_PROFILE=thorough makes 25 times as many, `make quick` a tenth.
settings.register_profile(
    "default",
    max_examples=200,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=5000, derandomize=False)
settings.register_profile("quick", settings.get_profile("default"), max_examples=20)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# tests/images/run runs these, in a network namespace where containers may publish ports.
collect_ignore = [] if os.environ.get("AUTHGATE_TEST_IMAGES") else ["images"]

# `make test` gives the next file to the first worker that is free. Long files come first, so that the last ones are
# short and no worker waits for another. By their names, files that need the processor stand between files that wait.
_LONG_FOLDERS = ("deploy", "e2e", "matrix", "properties", "server", "stack")
_LONG_FILES = ("test_presets_and_stores.py", "test_support_better_auth.py", "test_support_signals_and_leftovers.py")
LONG = {Path(__file__).parent / name for name in (*_LONG_FOLDERS, *_LONG_FILES, "tokens/test_fresh_vectors.py")}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Have the garbage collector ignore the tests themselves: it would read millions of objects again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def _short_pauses_between_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, no other writes the files that AuthGate reads."""
    monkeypatch.setattr(files, "_PAUSES_SECONDS", dict.fromkeys(files._PAUSES_SECONDS, (0.001,) * 3))


@pytest.fixture(autouse=True)
def _counts_of_log_lines() -> Iterator[None]:
    """End the minute of each bug, and write the counts of lines that a test left: a loop that has ended writes none."""
    yield
    repeats.write_counts()
    bugs.BUGS.end_window()


@pytest.hookimpl(trylast=True)  # after pytest has brought the tests of each fixture together
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    is_long = {path: not LONG.isdisjoint([path, *path.parents]) for path in {item.path for item in items}}
    items.sort(key=lambda item: (not is_long[item.path], item.path.name * is_long[item.path]))
