"""A configuration that is hostile or huge: it is refused with a clear line, in little memory, and others are served."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
import weakref
from typing import TYPE_CHECKING

import pytest

from authgate.config.load import load
from authgate.core.decide import decide
from authgate.core.decision import Allow
from authgate.core.errors import MAX_PROBLEMS, ConfigError
from authgate.wiring import build, make_live, prepare
from bench.largest_configuration import largest_configuration, user
from tests.neighbors.beside import beside
from tests.support.ruling import asked, count_calls
from tests.support.tokens import SECRET, mint
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from authgate.core.snapshot import Snapshot

MEGABYTE = 1024 * 1024
ISSUER = f"{{name: app, preset: jwt, audiences: [x], secret: '{SECRET.decode()}'}}"
SOUND = f"issuers: [{ISSUER}]\n"


def bomb(levels: int, width: int = 9) -> str:
    """Return lists of which each has the one before it *width* times."""
    lines = [f"a0: &a0 [{', '.join(['x'] * width)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def sharing(issuers: int, audiences: int) -> str:
    """Return issuers that share one long list."""
    first = "&a [" + ", ".join(f"a{n}" for n in range(audiences)) + "]"
    lines = (
        f"- {{name: t{n}, preset: jwt, issuer: 'https://t{n}', secret_env: X, audiences: {'*a' if n else first}}}"
        for n in range(issuers)
    )
    return "\n".join(("issuers:", *lines, ""))


# What a small or a large file tries, and what `check` says of it.
HOSTILE: dict[str, tuple[str, str]] = {
    "aliases of aliases": (SOUND + bomb(9), "line 7, column 10: the document has more than 100000 values up to here"),
    "aliases in a setting": (
        SOUND + "trusted_proxies:\n- &a0 [10.0.0.1]\n" + "".join(f"- &a{n + 1} [{f'*a{n}, ' * 9}]\n" for n in range(9)),
        "the document has more than 100000 values",
    ),
    "issuers that share a list": (sharing(500, 20_000), "the document has more than 100000 values"),
    "an alias of a long text": (SOUND + f"a: &a {'x' * 600_000}\nb: *a\n", "more than 1048576 characters"),
    "merge keys": (SOUND + "a: &a {b: 1}\nc: {<<: *a}\n", "line 3, column 5: a merge key (<<) is not read"),
    "a circle": (SOUND + "a: &a [*a]\n", "line 2, column 8: an alias is within the value that it stands for"),
    "depth": (SOUND + "a: " + "[" * 100_000, "line 2, column 67: values are nested more than 64 deep"),
    "a set": (SOUND + "a: !!set {x, y}\n", "line 2, column 4: its tag is not for a list or a mapping that"),
    "many keys": (SOUND + "".join(f"k{n}: 1\n" for n in range(60_000)), "has more than 100000 values up to here"),
    "unknown settings": (SOUND + "".join(f"k{n}: 1\n" for n in range(45_000)), "more problems, which are not listed"),
    "issuers of wrong settings": (
        "issuers:\n" + "- {a: 1, b: 2}\n" * 10_000,
        "issuers: has 10000 elements; at most 1000 are allowed",
    ),
    "trusted proxies": (SOUND + f"trusted_proxies: [{'10.0.0.1, ' * 30_000}]\n", "has 30000 elements; at most 1000"),
    "headers": (
        SOUND + "headers:\n" + "".join(f"  X-A{n}: subject\n" for n in range(40_000)),
        "headers: has 40000 elements; at most 64 are allowed",
    ),
    "a long pattern": (
        SOUND + f"policies: [{{name: a, require: signed_in, match: {{path: {'/a' * 400_000}}}}}]\n",
        "has 400000 segments; at most 32 are allowed",
    ),
    "a number": (SOUND + f"leeway_seconds: {':'.join(['59'] * 300_000)}\n", "leeway_seconds: '59:59:59:"),
    "size": (SOUND + "#" * MEGABYTE, "it is longer than 1048576 bytes"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_check_refuses_it_with_a_clear_line_in_little_memory(tmp_path: Path, case: str) -> None:
    content, expected = HOSTILE[case]
    path = tmp_path / "authgate.yaml"
    path.write_text(content)
    checked = subprocess.run(
        [sys.executable, "-c", CHECK, str(path)], capture_output=True, text=True, check=False, timeout=150
    )
    assert checked.returncode == 78, checked.stderr
    printed, _, peak = checked.stderr.rpartition("peak ")
    assert expected in " ".join(printed.split())
    assert len(printed) < 100 * 1024
    assert int(peak) < 192 * MEGABYTE


# `authgate check`, with a bound on memory, and the most that it took.
CHECK = """
import atexit, re, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
def peak():  # not getrusage, which also counts the process that was forked before Python began
    kibibytes = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]
    sys.stderr.write(f"peak {int(kibibytes) * 1024}")
atexit.register(peak)
from authgate.__main__ import main
sys.argv = ["authgate", "check", "--config", sys.argv[1]]
main()
"""


def test_a_running_authgate_refuses_it_and_serves_others(tmp_path: Path) -> None:
    app = {"preset": "jwt", "secret": SECRET.decode(), "audiences": ["x"], "issuer": "https://app.example"}
    with beside(tmp_path, app) as neighborhood:
        config = neighborhood.running.config
        sound = config.read_text()
        for case in ("aliases of aliases", "issuers that share a list", "depth"):
            content, expected = HOSTILE[case]
            config.write_text(sound.partition("issuers:")[0] + content)
            text = expected.rpartition(": ")[2]  # the two lines of `listen` come before it
            reported = len(neighborhood.events())
            until(lambda reported=reported, text=text: any(text in one for one in neighborhood.events()[reported:]))
            neighborhood.until_others_are_served()
        assert neighborhood.grown_bytes() < 64 * MEGABYTE
        config.write_text(sound + "".join(f"k{n}: 1\n" for n in range(500)))
        until(lambda: any(event.endswith("and 90 more, which authgate check lists") for event in neighborhood.events()))
        config.write_text(sound + "leeway_seconds: 31\n")
        until(lambda: any("configuration reloaded" in event for event in neighborhood.events()))


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("AUTHGATE_POLICIES", f"[&a [{'x, ' * 9}], {'*a, ' * 20_000}]", "more than 100000 values"),
        ("AUTHGATE_TRUSTED_PROXIES", "10.0.0.1," * 10_000, "has 10000 elements; at most 1000 are allowed"),
        ("AUTHGATE_CREDENTIALS", "[" * 100, "values are nested more than 64 deep"),
        ("AUTHGATE_HEADERS", "{<<: {a: b}}", "a merge key (<<) is not read"),
    ],
)
def test_environment_variables_have_the_same_bounds(variable: str, text: str, expected: str) -> None:
    loaded = load(None, {"JWT_SECRET": SECRET.decode(), variable: text})
    assert any(expected in problem.message for problem in loaded.problems)


def test_many_unknown_variables_are_not_all_looked_at() -> None:
    few, many = ({f"AUTHGATE_NO_{n}": "1" for n in range(count)} for count in (200, 400))
    calls_of_few = count_calls(lambda: load(None, few)).total()
    assert count_calls(lambda: load(None, many)).total() < 1.1 * calls_of_few


def written(folder: Path, share: float) -> str:
    path = folder / f"{share}.yaml"
    path.write_text(largest_configuration(share))
    return str(path)


def test_the_work_of_loading_grows_with_the_number_of_issuers_and_policies(tmp_path: Path) -> None:
    """With the square of it, twice as many would make nearly four times as many calls."""
    few, many = written(tmp_path, 0.1), written(tmp_path, 0.2)
    calls_of_few = count_calls(lambda: prepare(load(few, {}))).total()
    assert count_calls(lambda: prepare(load(many, {}))).total() < 2.1 * calls_of_few


FAULTS = {
    "the same prefix": ("subject_prefix", lambda _: "same:"),
    "the same secret": ("secret", lambda _: SECRET.decode()),
    "the same name": ("name", lambda _: "same"),
    "the same iss": ("issuer", lambda _: "https://same.example"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_comparing_issuers_with_each_other_grows_with_their_number(tmp_path: Path, fault: str) -> None:
    """What every two issuers have in common is one line, or the first lines, not a line for each pair."""
    name, value = FAULTS[fault]
    calls = []
    for count in (100, 200):
        issuers = [
            {"name": f"t{n}", "preset": "jwt", "issuer": f"https://t{n}.example", "audiences": ["x"]}
            | {"secret": f"{SECRET.decode()}-{n}", "subject_prefix": f"{n:03}:"}
            | {name: value(n)}
            for n in range(count)
        ]
        path = tmp_path / f"{count}.yaml"
        path.write_text(f"issuers: {json.dumps(issuers)}\n")
        reported: list[int] = []

        def checked(path: Path = path, reported: list[int] = reported) -> None:
            try:
                reported.append(len(prepare(load(str(path), {})).warnings))
            except ConfigError as error:
                reported.append(len(error.problems))

        calls.append(count_calls(checked).total())
        assert reported[0] <= MAX_PROBLEMS
    assert calls[1] < 2.2 * calls[0]


def test_a_policy_of_many_hosts_paths_and_methods_takes_few_entries_of_the_index(tmp_path: Path) -> None:
    match = {"host": [f"h{n}.example" for n in range(256)], "path": [f"/a{n}" for n in range(256)]}
    match["methods"] = [f"M{n}" for n in range(32)]
    path = tmp_path / "authgate.yaml"
    path.write_text(SOUND + f"policies: [{json.dumps({'name': 'a', 'match': match, 'require': 'signed_in'})}]\n")
    assert len(prepare(load(str(path), {})).snapshot.policies._index) == 256  # it was 2 million


def decided(snapshot: Snapshot, number: int, **claims: object) -> object:
    own, secret = user(number)
    token = mint(own | {"exp": 2_000_000_000, **claims}, key=secret.encode())
    request = asked(f"/a{number}/tasks", ("Authorization", f"Bearer {token}"), host="app.example.com")
    with pytest.raises(StopIteration) as done:
        next(decide(request, snapshot, time.time()))
    return done.value.value


def test_a_decision_makes_about_as_many_calls_among_many_issuers_as_among_few(tmp_path: Path) -> None:
    few, many = (prepare(load(written(tmp_path, share), {})).snapshot for share in (0.1, 0.2))
    kinds: list[tuple[dict[str, object], bool]] = [({}, True), ({"iss": "https://unknown.example"}, False)]
    for claims, allowed in kinds:
        for snapshot in (few, many):  # makes the indexes, and what is made only once
            assert isinstance(decided(snapshot, 18, **claims), Allow) is allowed
        claims["n"] = 2  # another token
        calls_of_few = count_calls(lambda claims=claims: decided(few, 18, **claims)).total()
        calls_of_many = count_calls(lambda claims=claims: decided(many, 18, **claims)).total()
        # The larger one has more headers, each of which takes a few calls. A search among 100 more takes hundreds.
        assert calls_of_many < calls_of_few + 60


def test_a_quarter_of_the_largest_configuration_loads(tmp_path: Path) -> None:
    prepared = prepare(load(written(tmp_path, 0.25), {}))
    assert len(prepared.snapshot.issuers) == len(prepared.snapshot.policies.policies) == 250
    assert isinstance(decided(prepared.snapshot, 248), Allow)


def test_the_largest_configuration_is_within_all_bounds(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, 1), {})
    assert loaded.problems == ()
    assert len(loaded.issuers) == 1_000


def test_a_replaced_configuration_is_free_at_once(tmp_path: Path) -> None:
    """The collector does not look at what was there at the start, so nothing may refer to it in a circle."""
    app = build(prepare(load(written(tmp_path, 0.02), {})))
    old = app.live
    gate = weakref.ref(old.gate)
    newer = tmp_path / "newer.yaml"
    newer.write_text(largest_configuration(0.02).replace("xyz-", "zyx-"))  # other secrets: no key set is shared
    gc.disable()
    try:
        app.live = make_live(prepare(load(str(newer), {})), app.metrics, old)
        app.live.activate(old)
        old.retire(app.live)
        del old
        assert gate() is None
    finally:
        gc.enable()
