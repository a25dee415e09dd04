"""What the tests of the life of a key set share."""

from __future__ import annotations

import pytest

from tests.support.key_life import Time


@pytest.fixture
def time() -> Time:
    return Time()
