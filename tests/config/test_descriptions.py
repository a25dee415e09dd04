"""Descriptions of settings are read from the source when somebody asks for them, and not when AuthGate starts."""

from __future__ import annotations

import subprocess
import sys

from pydantic import Field, create_model

from authgate.config._descriptions import described_fields
from authgate.config._types import Settings
from tests.support.processes import ROOT


class Tea(Settings):
    """A drink."""

    leaves: int = 1
    """How many leaves,
    in a cup.
    """
    sugar: bool = False
    """Whether it has sugar."""
    milk: bool = False


class Chai(Tea):
    """Another drink."""

    sugar: bool = True
    spices: str = Field(default="ginger", description="What else is in it.")
    """This is not a description."""


def descriptions(model: type[Settings]) -> dict[str, str | None]:
    return {name: field.description for name, field in described_fields(model).items()}


def test_the_string_below_a_setting_describes_it() -> None:
    assert descriptions(Tea) == {
        "leaves": "How many leaves,\nin a cup.",
        "sugar": "Whether it has sugar.",
        "milk": None,
    }


def test_an_inherited_setting_keeps_its_description_and_one_that_is_set_anew_does_not() -> None:
    assert descriptions(Chai) == {
        "leaves": "How many leaves,\nin a cup.",
        "sugar": None,
        "milk": None,
        "spices": "What else is in it.",
    }


def test_a_model_without_source_has_what_it_inherits() -> None:
    made = create_model("Made", __base__=Tea, milk=(bool, Field(default=True)))
    assert descriptions(made) == descriptions(Tea)


def test_the_json_schema_has_the_descriptions() -> None:
    properties = Chai.model_json_schema()["properties"]
    assert {name: about.get("description") for name, about in properties.items()} == descriptions(Chai)


def test_authgate_starts_without_reading_its_own_source() -> None:
    script = (
        "import inspect\n"
        "read = []\n"
        "inspect.findsource = lambda *_: read.append(1)\n"
        "import authgate.cli.serve, authgate.config.model\n"
        "print(len(authgate.config.model.Config.model_fields) > 3, read)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "True []\n"
