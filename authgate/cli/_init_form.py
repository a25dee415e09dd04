"""The form that `authgate init` fills in: which settings an issuer has, which of them it needs, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate.config._annotations import choices_of, group_of, is_list, members
from authgate.config._descriptions import described_fields
from authgate.config._report import shortened
from authgate.config.load import load_settings
from authgate.presets.jwt import JwtIssuer
from authgate.presets.provider import ProviderIssuer
from authgate.presets.providers import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pydantic.fields import FieldInfo

    from authgate.core.errors import Problem
    from authgate.presets.settings import JwtSettings

_ISSUER = "issuers[0]."
_AUDIENCES = "audiences"  # their description is not enough: what to list depends on the preset
_DOCS = {"jwt": "docs/formats/jwt.md"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The settings of an issuer of *preset*, which *title* names for people.

    *asks* are the settings that people are asked for, in this order. An issuer needs one of the two *alternatives*.
    *spelled_out* returns what is written beside the settings that people set.
    """

    preset: str
    title: str
    model: type[JwtSettings]
    asks: tuple[str, ...]
    alternatives: tuple[str, ...] = ()
    spelled_out: Callable[[Mapping[str, object]], Mapping[str, object]] = lambda _: {}

    @property
    def page(self) -> str:
        """The page about the preset."""
        return _DOCS.get(self.preset, f"docs/issuers/{self.preset}.md")

    @property
    def options(self) -> tuple[str, ...]:
        """The settings that people may set: those that only this preset has, and those that it asks for."""
        fields = self.model.model_fields
        own = (
            name for name in fields if name in self.model.own_settings() and group_of(fields[name].annotation) is None
        )
        return tuple(dict.fromkeys((*own, *self.asks, _AUDIENCES)))

    def description(self, setting: str) -> str:
        """Return what the model says about *setting*, in one line and not at length."""
        if setting == _AUDIENCES:
            return f"The accepted audiences (claim aud): {self.model.audiences_fix}."
        return shortened(" ".join((self._field(setting).description or "").split()))

    def example(self, setting: str) -> str:
        """Return an example of *setting* as people type it."""
        return str(next(iter(self._field(setting).examples or ()), ""))

    def default(self, setting: str) -> str:
        """Return the value of *setting* if it is left out, as people type it; "" if it has none."""
        default = self._field(setting).default
        return default if isinstance(default, str) else ""

    def instead_of(self, setting: str) -> str | None:
        """Return the setting that people may set instead of *setting*; None if there is none."""
        others = [name for name in self.alternatives if name != setting]
        return others[0] if setting in self.alternatives else None

    def takes_several(self, setting: str) -> bool:
        """Whether *setting* may have several values."""
        return is_list(self._field(setting).annotation)

    def value(self, setting: str, text: str) -> object:
        """Return what *text*, which somebody typed, is in the configuration. It may be wrong: see `problems`."""
        annotation = self._field(setting).annotation
        words: dict[str, object] = {_word(choice): choice for choice in choices_of(annotation)}
        if bool in members(annotation):
            words |= {"true": True, "false": False}
        if text in words:
            return words[text]
        if is_list(annotation):
            return [part for part in map(str.strip, text.split(",")) if part]
        return text

    def issuer(self, settings: Mapping[str, object]) -> dict[str, object]:
        """Return the issuer with *settings*, in the order of the model."""
        beside = dict(self.spelled_out(settings))
        every = {"name": self.preset, "preset": self.preset} | beside | dict(settings)
        order = ("name", "preset", *beside, *self.options)
        return {setting: every[setting] for setting in order if setting in every}

    def problems(self, settings: Mapping[str, object]) -> dict[str, Problem]:
        """Return the first problem of each setting of an issuer with *settings*: what `authgate check` would report."""
        found: dict[str, Problem] = {}
        for problem in load_settings({"issuers": [self.issuer(settings)]}).problems:
            setting = problem.setting.removeprefix(_ISSUER).partition("[")[0].partition(".")[0]
            found.setdefault(setting, problem)
        return found

    def missing(self, settings: Mapping[str, object]) -> dict[str, Problem]:
        """Return the problems of *settings*, also those that show only after others are solved."""
        found = self.problems(settings)
        for setting in self.asks:
            if setting not in settings:
                others = self._examples(name for name in self.asks if name != setting)
                beside = self.problems(others | dict(settings))
                found = {name: problem for name, problem in beside.items() if name not in others} | found
        return found

    def completed(self, setting: str, settings: Mapping[str, object]) -> dict[str, object]:
        """Return *settings* with the examples of what is asked for after *setting*."""
        later = self.asks[self.asks.index(setting) + 1 :] if setting in self.asks else ()
        return self._examples(later) | dict(settings)

    def has_effect(self, setting: str, settings: Mapping[str, object]) -> bool:
        """Whether *setting* may be set beside *settings*."""
        return setting not in self.problems(self._examples([setting]) | dict(settings))

    def is_optional(self, setting: str) -> bool:
        """Whether nothing has to replace *setting* if it is left out."""
        return not self.problems(self._examples(name for name in self.asks if name != setting))

    def _examples(self, names: Iterable[str]) -> dict[str, object]:
        return {name: self.value(name, self.example(name)) for name in names}

    def _field(self, setting: str) -> FieldInfo:
        return described_fields(self.model)[setting]


def _word(choice: object) -> str:
    return str(choice).lower() if isinstance(choice, bool) else str(choice)


def forms() -> dict[str, Form]:
    """Return the forms by preset: those of the identity providers, and one for any other issuer with metadata."""
    known = {
        name: Form(
            preset=name,
            title=preset.library,
            model=preset.settings,
            asks=preset.settings.asks,
            alternatives=preset.settings.alternatives,
            spelled_out=preset.settings.spelled_out,
        )
        for name, preset in PROVIDERS.items()
        if issubclass(preset.settings, ProviderIssuer)
    }
    other = Form(
        preset="jwt",
        title="any other OpenID provider",
        model=JwtIssuer,
        asks=("issuer", "audiences"),
        spelled_out=lambda _: {"discovery": True},
    )
    return known | {"jwt": other}
