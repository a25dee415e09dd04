"""What is wrong with policies beside the settings of each: names, issuers, headers, and rules that cannot work.

Every policy may have settings that are wrong by themselves; those are reported already. A check that depends on one is
skipped: its result is not known.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from authgate.config._outbound import redacted
from authgate.config._report import did_you_mean
from authgate.config._sound import sound_part
from authgate.config._types import FEW
from authgate.config.model import Config
from authgate.config.policy_model import PolicyConfig
from authgate.config.rule_model import MAX_DEPTH, MAX_TESTS, placed_tests
from authgate.core import user_id
from authgate.core.errors import Problem
from authgate.core.paths import Field, parse_pattern
from authgate.core.quoting import quoted
from authgate.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authgate.config._report import Raw
    from authgate.config.policy_model import CredentialConfig
    from authgate.config.rule_model import PlacedTest
    from authgate.presets.preset import LoadedIssuer

_ACCESS = ("public", "optional", "require")
_OF_A_USER = ("headers", "issuers", "login_url", "csrf", "credentials")


@dataclass(frozen=True, kw_only=True)
class Issuers:
    """What policies need to know of the issuers.

    *names* are those that the configuration gives them, None where that is not known. *sound* are the issuers of which
    the name and the preset are sound.
    """

    names: tuple[str, ...] | None
    sound: tuple[LoadedIssuer, ...]

    @cached_property
    def set_of_names(self) -> frozenset[str]:
        """The *names* as a set."""
        return frozenset(self.names or ())

    @cached_property
    def has_places(self) -> dict[str, bool]:
        """Whether each sound issuer has cookies or headers of its own, by its name."""
        return {
            entry.config.name: entry.sessions is not None or bool(PRESETS[entry.config.preset].places(entry.config))
            for entry in self.sound
        }

    @cached_property
    def state_sign_in(self) -> dict[str, bool]:
        """Whether credentials of each sound issuer can say when the user signed in, by its name."""
        return {
            entry.config.name: "authenticated_at" in PRESETS[entry.config.preset].states(entry) for entry in self.sound
        }

    def never_state_sign_in(self, policy: PolicyConfig) -> bool:
        """Whether *policy* accepts only issuers that are known, and that never say when a user signed in."""
        named = self.names if policy.issuers is None else policy.issuers
        return bool(named) and all(self.state_sign_in.get(name) is False for name in named or ())


def policy_problems(raw: Raw, entries: tuple[LoadedIssuer, ...], *, issuers_known: bool) -> Iterator[Problem]:
    """Yield what is wrong with the policies of *raw* and with the issuers that `credentials` names.

    *entries* are the sound parts of the issuers. *issuers_known*: the list in *raw* is what the operator wrote.
    """
    issuers = _issuers(raw, entries, issuers_known=issuers_known)
    config, wrong = sound_part(Config, {name: raw[name] for name in ("credentials", "headers") if name in raw})
    if config is not None and "credentials" not in wrong:
        yield from _unknown_sessions("credentials", config.credentials, issuers)
    global_headers = config.headers if config is not None and "headers" not in wrong else {}
    policies = [*_sound_policies(raw)]
    for name, count in Counter(policy.name for _, policy, unsound in policies if "name" not in unsound).items():
        if count > 1:
            message = f"{count} policies have the name {quoted(name)}"
            yield Problem(setting="policies", message=message, fix="give each its own `name`")
    yield from _too_many_headers(policies, global_headers)
    for setting, policy, unsound in policies:
        yield from _unknown_issuers(setting, policy, issuers)
        yield from _unknown_sessions(f"{setting}.credentials", policy.credentials or (), issuers)
        yield from _redefined_headers(setting, policy, global_headers)
        yield from _needs_a_user(setting, policy, unsound)
        yield from _too_large(setting, policy)
        yield from _unknown_sign_in(setting, policy, issuers)
    if config is not None and "headers" not in wrong:
        yield from _user_id_of_some(policies, config.headers)


def _issuers(raw: Raw, entries: tuple[LoadedIssuer, ...], *, issuers_known: bool) -> Issuers:
    items = raw.get("issuers")
    names = [item.get("name") if isinstance(item, dict) else None for item in items] if isinstance(items, list) else []
    texts = tuple(name for name in names if isinstance(name, str))
    return Issuers(
        names=texts if issuers_known and texts and len(texts) == len(names) else None,
        sound=tuple(entry for entry in entries if not entry.wrong & {"name", "preset"}),
    )


def _sound_policies(raw: Raw) -> Iterator[tuple[str, PolicyConfig, frozenset[str]]]:
    """Yield the place of each policy, its sound part, and the names of its wrong settings."""
    items = raw.get("policies")
    for position, item in enumerate(items if isinstance(items, list) else []):
        stand_in = {"name": f"policy-{position}"}
        policy, wrong = sound_part(PolicyConfig, item, stand_in)
        if policy is None and isinstance(item, dict):  # what it asks for is wrong: the rest is checked all the same
            rest = {name: value for name, value in item.items() if name not in _ACCESS}
            policy, wrong = sound_part(PolicyConfig, {**rest, "require": "signed_in"}, stand_in)
            wrong |= {*_ACCESS}
        if policy is not None:
            yield f"policies[{position}]", policy, wrong


def _unknown_issuers(setting: str, policy: PolicyConfig, issuers: Issuers) -> Iterator[Problem]:
    """Yield the names in `issuers` and in rules that no issuer has."""
    named = [(f"{setting}.issuers[{position}]", name) for position, name in enumerate(policy.issuers or ())]
    for path, _, test in _tests(policy):
        if test.dimension == "issuer":
            named += [(f"{setting}.require.{path}[{position}]", name) for position, name in enumerate(test.expected)]
    for place, name in named:
        yield from _unknown(place, name, issuers)


def _unknown(setting: str, name: str, issuers: Issuers) -> Iterator[Problem]:
    if issuers.names is not None and name not in issuers.set_of_names:
        message = f"{redacted(name)} is not the name of an issuer"
        yield Problem(setting=setting, message=message, fix=did_you_mean(name, issuers.names))


def _unknown_sessions(setting: str, places: Iterable[CredentialConfig], issuers: Issuers) -> Iterator[Problem]:
    """Yield the names in *places* of issuers that do not exist or have no session cookies."""
    for position, place in enumerate(places):
        if place.session is None or issuers.has_places.get(place.session):
            continue
        suitable = [name for name, has_some in issuers.has_places.items() if has_some]
        where, hint = f"{setting}[{position}].session", did_you_mean(place.session, suitable or issuers.names or ())
        if issuers.names is not None and place.session not in issuers.set_of_names:
            message = f"{redacted(place.session)} is not the name of an issuer"
            yield Problem(setting=where, message=message, fix=hint)
        elif place.session in issuers.has_places:
            message = f"issuer {quoted(place.session)} has no session cookies"
            fix = "write {cookie: NAME} or {header: NAME} for its tokens" + (f"; {hint}" if suitable else "")
            yield Problem(setting=where, message=message, fix=fix)


def _redefined_headers(setting: str, policy: PolicyConfig, headers: Iterable[str]) -> Iterator[Problem]:
    for name in policy.headers:
        if name in headers:
            message = "is a header of every policy already, and a policy cannot give it another source"
            fix = "choose another name, or remove it from the `headers` at the top of the configuration"
            yield Problem(setting=f"{setting}.headers.{name}", message=message, fix=fix)


def _too_many_headers(
    policies: Iterable[tuple[str, PolicyConfig, frozenset[str]]], headers: Iterable[str]
) -> Iterator[Problem]:
    """Yield the problem of more headers than a reply may have: each reply has those of all policies."""
    names = {*headers, *(name for _, policy, _ in policies for name in policy.headers)}
    if len(names) > FEW:
        message = f"name {len(names)} headers together with those at the top; a reply has at most {FEW}"
        yield Problem(setting="policies", message=message, fix="give policies headers of the same names")


def _user_id_of_some(
    policies: Iterable[tuple[str, PolicyConfig, frozenset[str]]], headers: Iterable[str]
) -> Iterator[Problem]:
    """Yield the problem of an X-User-Id that signed-in users have under some policies and not under others.

    Under the others it would be empty, and a service would take that for an anonymous caller.
    """
    known = [each for each in policies if not each[2] & {*_ACCESS, "headers"} and not each[1].public]
    giving = [setting for setting, policy, _ in known if _gives_user_id(policy.headers)]
    others = [policy.name for _, policy, _ in known if not _gives_user_id(policy.headers)]
    if giving and others and not _gives_user_id(headers):
        message = f"would be empty for a signed-in user under policy {quoted(others[0])}, as for an anonymous caller"
        fix = "move it to the `headers` at the top of the configuration"
        yield Problem(setting=f"{giving[0]}.headers.X-User-Id", message=message, fix=fix)


def _gives_user_id(headers: Iterable[str]) -> bool:
    return any(name.lower() == user_id.HEADER for name in headers)


def _needs_a_user(setting: str, policy: PolicyConfig, wrong: frozenset[str]) -> Iterator[Problem]:
    """Yield the settings about users in a policy that needs none."""
    if wrong & {*_ACCESS} or policy.require is not None:
        return
    for text in policy.match.path:
        if any(isinstance(segment, Field) for segment in parse_pattern(text).segments):
            message = f"{quoted(text)} compares a segment with a field of the user, and here there may be none"
            fix = "write * instead of the field, or `require: signed_in`"
            yield Problem(setting=f"{setting}.match.path", message=message, fix=fix)
    for name in _OF_A_USER if policy.public else ():
        if getattr(policy, name):
            message = "has no effect on a public policy, which reads no credential"
            yield Problem(setting=f"{setting}.{name}", message=message, fix="remove it, or write `optional: true`")


def _too_large(setting: str, policy: PolicyConfig) -> Iterator[Problem]:
    tests = _tests(policy)
    if len(tests) > MAX_TESTS:
        message = f"has {len(tests)} rules; at most {MAX_TESTS} are allowed in one policy"
        fix = "list several values in one any_of, or make several policies"
        yield Problem(setting=f"{setting}.require", message=message, fix=fix)
    depth = max((test.depth for test in tests), default=0)
    if depth > MAX_DEPTH:
        message = f"nests any, all and not {depth} deep; at most {MAX_DEPTH} are allowed"
        yield Problem(setting=f"{setting}.require", message=message, fix="write the rule with less nesting")


def _tests(policy: PolicyConfig) -> list[PlacedTest]:
    return [] if policy.require is None else [*placed_tests(policy.require)]


def _unknown_sign_in(setting: str, policy: PolicyConfig, issuers: Issuers) -> Iterator[Problem]:
    """Yield the rules about the time of the sign-in if they are unknown for every user."""
    for path, _, test in _tests(policy):
        if test.dimension == "authenticated_within_seconds" and issuers.never_state_sign_in(policy):
            message = "refuses everybody: no issuer that the policy accepts says when a user signed in"
            yield Problem(setting=f"{setting}.require.{path}", message=message, fix="remove the rule")
