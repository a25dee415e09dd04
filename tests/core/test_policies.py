"""The index of policies hides no policy that fits. What it remembers is bounded, and has no text of a client."""

from __future__ import annotations

import random

from authgate.core.policies import MAX_CACHED_LISTS
from tests.support.ruling import asked, policies, policy

HOSTS = ("app.example.com", "*.example.com", "*.team.example.com", "other.example.org")
PATHS = ("/", "/**", "/a/**", "/b", "/A/*", "/*/b", "/{subject}/x")
METHODS = ("GET", "POST")


def test_the_index_finds_the_policy_that_a_search_through_all_finds() -> None:
    chance = random.Random(7)
    for _ in range(60):
        listed = [
            policy(
                f"p{number}",
                tuple(chance.sample(PATHS, chance.randint(0, 2))),
                hosts=tuple(chance.sample(HOSTS, chance.randint(0, 2))),
                methods=frozenset(chance.sample(METHODS, chance.randint(0, 1))),
            )
            for number in range(chance.randint(1, 12))
        ]
        found = policies(*listed)
        for path in ("/", "/a", "/a/b", "/b", "/c/x", "/A/B"):
            for host in ("app.example.com", "x.example.com", "x.team.example.com", "other.example.org", "none.test"):
                for method in ("GET", "POST", "PUT"):
                    request = asked(path, host=host, method=method)
                    read = found.reading.read(path)[0]
                    expected = next((each for each in listed if each.match.fits(request, read) is not False), None)
                    for _again in range(2):
                        assert found._index.first(request, read) is expected


def test_the_lists_that_it_remembers_are_bounded() -> None:
    hosts = [f"host-{number}.example.com" for number in range(3 * MAX_CACHED_LISTS)]
    found = policies(*(policy(host, "/a/**", hosts=(host,)) for host in hosts))
    for host in hosts:
        assert found.find(asked("/a/b", host=host))[0].name == host
    assert 0 < len(found._index._lists) <= MAX_CACHED_LISTS


def test_it_remembers_no_text_of_a_client() -> None:
    found = policies(policy("a", "/a/**", hosts=("*.example.com",)), policy("rest", "/**"))
    for number in range(50):
        found.find(asked(f"/secret-{number}/x", host=f"secret-{number}.example.com", method="PUT"))
    assert "secret" not in repr(found._index._lists)
    assert len(found._index._lists) == 1
