"""The bounded history of a key set."""

from __future__ import annotations

from authgate.core.keys import Key, KeySet
from authgate.keysources.history import MAX_DEPARTED, MAX_EVENTS, MAX_UNKNOWN, KeyHistory, UnknownKeyId


def key_set(*names: str | tuple[str | None, str]) -> KeySet:
    """Return a set of keys, each with its name as key id and thumbprint, or with this (key id, thumbprint)."""
    pairs = [name if isinstance(name, tuple) else (name, name) for name in names]
    return KeySet(
        keys=tuple(
            Key(key_id=key_id, algorithm="ES256", material=None, thumbprint=thumbprint.encode())
            for key_id, thumbprint in pairs
        )
    )


def names(keys: list[Key]) -> list[str | None]:
    return [key.key_id for key in keys]


def test_the_keys_at_start_are_present_and_cause_no_event() -> None:
    history = KeyHistory(key_set("K1", "K2"), 10)
    assert [(sighting.first_seen, sighting.last_seen, sighting.left_at) for sighting in history.present.values()] == [
        (10, 10, None)
    ] * 2
    assert not history.departed
    assert not history.events


def test_a_key_that_stays_keeps_the_time_when_it_was_first_seen() -> None:
    history = KeyHistory(key_set("K1"), 10)
    joined, left = history.update(key_set("K1", "K2"), 20)
    assert (names(joined), names(left)) == (["K2"], [])
    assert [(sighting.first_seen, sighting.last_seen) for sighting in history.present.values()] == [(10, 20), (20, 20)]


def test_a_departed_key_has_the_time_when_it_left_and_the_count_of_tokens_that_name_it() -> None:
    history = KeyHistory(key_set("K1"), 10)
    joined, left = history.update(key_set("K2"), 20)
    assert (names(joined), names(left)) == (["K2"], ["K1"])
    sighting = history.departed[b"K1"]
    assert (sighting.first_seen, sighting.last_seen, sighting.left_at) == (10, 10, 20)
    assert history.add_unknown("K1", 30) is sighting
    assert history.add_unknown("K1", 31) is sighting
    assert (sighting.named_since, sighting.named_at) == (2, 31)
    assert not history.unknown


def test_a_key_that_comes_back_keeps_the_time_when_it_was_first_seen_and_counts_again_from_zero() -> None:
    history = KeyHistory(key_set("K1"), 10)
    history.update(key_set("K2"), 20)
    history.add_unknown("K1", 25)
    joined, _ = history.update(key_set("K2", "K1"), 30)
    assert names(joined) == ["K1"]
    assert not history.departed
    back = history.present[b"K1"]
    assert (back.first_seen, back.last_seen, back.left_at) == (10, 30, None)
    history.update(key_set("K2"), 40)
    again = history.departed[b"K1"]
    assert (again.left_at, again.named_since, again.named_at) == (40, 0, None)


def test_a_token_with_an_unknown_key_id_does_not_count_for_a_departed_key() -> None:
    history = KeyHistory(key_set("K1"), 0)
    history.update(key_set("K2"), 1)
    assert history.add_unknown("K3", 2) is None
    assert history.departed[b"K1"].named_since == 0


def test_a_token_counts_for_the_last_departed_key_of_its_key_id() -> None:
    history = KeyHistory(key_set(("K", "old")), 10)
    history.update(key_set(("K", "newer")), 20)
    history.update(key_set("other"), 30)
    assert history.add_unknown("K", 40) is history.departed[b"newer"]


def test_the_last_thirty_two_departed_keys_are_kept() -> None:
    history = KeyHistory(key_set("K0"), 0)
    for number in range(1, 101):
        history.update(key_set(f"K{number}"), number)
    assert len(history.departed) == MAX_DEPARTED == 32
    assert next(iter(history.departed)) == b"K68"
    assert [*history.departed][-1] == b"K99"
    assert [*history.present] == [b"K100"]


def test_unknown_key_ids_are_counted() -> None:
    history = KeyHistory(key_set("K1"), 0)
    for at in (1, 2, 3):
        assert history.add_unknown("who", at) is None
    assert history.unknown == {"who": UnknownKeyId(count=3, last_at=3)}


def test_the_last_sixteen_unknown_key_ids_are_kept() -> None:
    history = KeyHistory(key_set("K1"), 0)
    history.add_unknown("often", 0)
    for number in range(1000):
        history.add_unknown(f"random-{number}", number)
        if number % 10 == 0:
            history.add_unknown("often", number)
    assert len(history.unknown) == MAX_UNKNOWN == 16
    assert history.unknown["often"].count == 101
    assert [*history.unknown][-1] == "random-999"


def test_a_key_that_joins_is_removed_from_the_unknown_key_ids() -> None:
    history = KeyHistory(key_set("K1"), 0)
    history.add_unknown("K2", 1)
    history.update(key_set("K1", "K2"), 2)
    assert not history.unknown


def test_a_key_without_an_id_is_named_by_no_token() -> None:
    history = KeyHistory(key_set((None, "anonymous")), 0)
    history.update(key_set("K1"), 1)
    assert not history.has("K2")
    assert history.has("K1")
    assert not history.unknown
    assert history.departed[b"anonymous"].named_since == 0


def test_the_last_sixty_four_events_are_kept() -> None:
    history = KeyHistory(key_set(), 0)
    for number in range(1000):
        history.add_event(f"event {number}", number)
    assert len(history.events) == MAX_EVENTS == 64
    assert (history.events[0].message, history.events[-1].message, history.events[-1].at) == (
        "event 936",
        "event 999",
        999,
    )


# -- after a reload -----------------------------------------------------------------------------------------------


def test_a_key_that_a_reload_keeps_keeps_the_time_when_it_was_first_seen() -> None:
    after = KeyHistory(key_set("K1", "K2"), 50)
    joined, left = after.follow(KeyHistory(key_set("K1"), 10), 60)
    assert (names(joined), names(left)) == (["K2"], [])
    assert [(sighting.first_seen, sighting.last_seen) for sighting in after.present.values()] == [(10, 60), (60, 60)]


def test_a_key_that_a_reload_removes_has_departed() -> None:
    before = KeyHistory(key_set("K0", "K1"), 10)
    before.update(key_set("K1"), 20)
    after = KeyHistory(key_set("K2"), 50)
    joined, left = after.follow(before, 60)
    assert (names(joined), names(left)) == (["K2"], ["K1"])
    assert [(sighting.key.key_id, sighting.first_seen, sighting.left_at) for sighting in after.departed.values()] == [
        ("K0", 10, 20),
        ("K1", 10, 60),
    ]
    assert after.add_unknown("K1", 70) is after.departed[b"K1"]


def test_a_departed_key_that_a_reload_brings_back_is_present_again() -> None:
    before = KeyHistory(key_set("K1"), 10)
    before.update(key_set("K2"), 20)
    after = KeyHistory(key_set("K1"), 50)
    joined, left = after.follow(before, 60)
    assert (names(joined), names(left)) == (["K1"], ["K2"])
    assert [*after.departed] == [b"K2"]
    assert after.present[b"K1"].first_seen == 10


def test_unknown_key_ids_survive_a_reload_unless_their_keys_join() -> None:
    before = KeyHistory(key_set("K1"), 0)
    for key_id in ("K2", "K3", "K3"):
        before.add_unknown(key_id, 1)
    after = KeyHistory(key_set("K1", "K2"), 50)
    after.follow(before, 60)
    assert after.unknown == {"K3": UnknownKeyId(count=2, last_at=1)}


def test_the_last_sixty_four_events_from_before_and_after_a_reload_are_kept_in_order() -> None:
    before, after = KeyHistory(key_set("K1"), 0), KeyHistory(key_set("K1"), 50)
    for number in range(60):
        before.add_event(f"before {number}", number)
    for number in range(10):
        after.add_event(f"after {number}", number)
    after.follow(before, 60)
    assert [event.message for event in after.events] == [
        *(f"before {number}" for number in range(6, 60)),
        *(f"after {number}" for number in range(10)),
    ]
    after.add_event("one more", 70)
    assert (len(after.events), after.events[0].message) == (MAX_EVENTS, "before 7")
