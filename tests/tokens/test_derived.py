"""Keys derived from secrets: the purpose of each, and all faults of several secrets at once."""

from __future__ import annotations

import pytest

from authgate.tokens import derived
from authgate.tokens.jwk import BadKey
from tests.support.tokens import OTHER_SECRET, SECRET


def faults(*ordered_secrets: bytes) -> tuple[str, ...]:
    with pytest.raises(BadKey) as bad:
        derived.better_auth(ordered_secrets)
    assert not [secret for secret in ordered_secrets if secret.decode() in str(bad.value)]
    return bad.value.faults


def test_every_fault_of_every_secret_is_reported_with_its_position() -> None:
    reported = faults(SECRET, b" hunter2-canary", b"abcdefg" * 6)
    assert [fault.partition(":")[0] for fault in reported] == ["secret 2 of 3", "secret 2 of 3", "secret 3 of 3"]
    assert ["white space" in reported[0], "15 bytes long" in reported[1], "distinct characters" in reported[2]] == [
        True
    ] * 3


def test_the_fault_of_a_single_secret_is_reported_without_a_position() -> None:
    (fault,) = faults(SECRET[:31])
    assert fault.startswith("it is 31 bytes long")


def test_a_secret_that_is_listed_twice_is_reported_with_the_other_faults() -> None:
    assert faults(SECRET, SECRET) == (derived.LISTED_TWICE,)
    assert faults(SECRET, OTHER_SECRET, SECRET, b"z" * 40)[1] == derived.LISTED_TWICE


def test_no_secret_and_more_than_eight_are_rejected() -> None:
    assert faults() == ("there are 0 secrets; 1 to 8 are accepted",)
    assert faults(*(b"%02d" % number + SECRET for number in range(9))) == ("there are 9 secrets; 1 to 8 are accepted",)


def test_the_first_of_several_secrets_is_current() -> None:
    purposes = [(key.algorithm, key.purpose) for key in derived.better_auth((SECRET, OTHER_SECRET)).keys]
    assert purposes == [
        ("HS256", derived.CURRENT),
        ("A256CBC-HS512", derived.CURRENT),
        ("HS256", derived.OLD),
        ("A256CBC-HS512", derived.OLD),
    ]
    assert [key.purpose for key in derived.nextauth_v4((SECRET, OTHER_SECRET)).keys] == [derived.CURRENT, derived.OLD]


def test_secrets_in_another_order_have_other_thumbprints() -> None:
    forward = derived.better_auth((SECRET, OTHER_SECRET)).keys
    backward = derived.better_auth((OTHER_SECRET, SECRET)).keys
    assert not {key.thumbprint for key in forward} & {key.thumbprint for key in backward}


@pytest.mark.parametrize("text", [b"2:new,1:old", b" 2:new, 1:old", b"2:new,1:old\n"])
def test_versioned_secrets_are_read_in_better_auths_form(text: bytes) -> None:
    assert derived.parse_versioned(text) == (b"new", b"old")


@pytest.mark.parametrize("text", [b"", b"new", b"2:", b"2:new,", b"a:new", b"2:new,old", b"-1:new"])
def test_any_other_form_is_rejected_without_being_quoted(text: bytes) -> None:
    with pytest.raises(BadKey, match="it is not a list like 2:new,1:old") as bad:
        derived.parse_versioned(text)
    assert "old," not in str(bad.value)
