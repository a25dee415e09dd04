"""Keys that are made from secrets: what each is for, and every fault of several secrets at once."""

from __future__ import annotations

import pytest

from authgate.tokens import derived
from authgate.tokens.jwk import BadKey
from tests.support.tokens import OTHER_SECRET, SECRET


def faults(*given: bytes) -> tuple[str, ...]:
    with pytest.raises(BadKey) as bad:
        derived.better_auth(given)
    assert not [secret for secret in given if secret.decode() in str(bad.value)]
    return bad.value.faults


def test_every_fault_of_every_secret_is_told_with_its_position() -> None:
    found = faults(SECRET, b" hunter2-canary", b"abcdefg" * 6)
    assert [fault.partition(":")[0] for fault in found] == ["secret 2 of 3", "secret 2 of 3", "secret 3 of 3"]
    assert ["white space" in found[0], "15 bytes long" in found[1], "distinct characters" in found[2]] == [True] * 3


def test_the_fault_of_a_single_secret_is_told_without_a_position() -> None:
    (found,) = faults(SECRET[:31])
    assert found.startswith("it is 31 bytes long")


def test_a_secret_that_is_listed_twice_is_told_beside_what_else_is_wrong() -> None:
    assert faults(SECRET, SECRET) == (derived.LISTED_TWICE,)
    assert faults(SECRET, OTHER_SECRET, SECRET, b"z" * 40)[1] == derived.LISTED_TWICE


def test_none_and_more_than_eight_are_refused() -> None:
    assert faults() == ("there are 0 secrets; 1 to 8 are accepted",)
    assert faults(*(b"%02d" % number + SECRET for number in range(9))) == ("there are 9 secrets; 1 to 8 are accepted",)


def test_the_first_of_several_is_current() -> None:
    purposes = [(key.algorithm, key.purpose) for key in derived.better_auth((SECRET, OTHER_SECRET)).keys]
    assert purposes == [
        ("HS256", derived.CURRENT),
        ("A256CBC-HS512", derived.CURRENT),
        ("HS256", derived.OLD),
        ("A256CBC-HS512", derived.OLD),
    ]
    assert [key.purpose for key in derived.nextauth_v4((SECRET, OTHER_SECRET)).keys] == [derived.CURRENT, derived.OLD]


def test_keys_of_the_same_secrets_in_another_order_are_others() -> None:
    one, other = (derived.better_auth(given).keys for given in ((SECRET, OTHER_SECRET), (OTHER_SECRET, SECRET)))
    assert not {key.thumbprint for key in one} & {key.thumbprint for key in other}


@pytest.mark.parametrize("text", [b"2:new,1:old", b" 2:new, 1:old", b"2:new,1:old\n"])
def test_several_secrets_in_one_text_are_read_as_better_auth_writes_them(text: bytes) -> None:
    assert derived.parse_versioned(text) == (b"new", b"old")


@pytest.mark.parametrize("text", [b"", b"new", b"2:", b"2:new,", b"a:new", b"2:new,old", b"-1:new"])
def test_anything_else_is_refused_without_being_told(text: bytes) -> None:
    with pytest.raises(BadKey, match="it is not a list like 2:new,1:old") as bad:
        derived.parse_versioned(text)
    assert "old," not in str(bad.value)
