"""What people write in place of an ID in a setting of an identity provider: a secret, or the word any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import InitErrorDetails

from authgate.config._annotations import choices_of, is_list, members
from authgate.config._secret_forms import known_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from authgate.config._annotations import Path

M = TypeVar("M", bound=BaseModel)

_ANY = "any"


def checked(model: type[M], values: object, validate: Callable[[object], M], ids: Collection[str]) -> M:
    """Return what *validate* makes of *values*, the settings of *model*. Settings of *ids* hold IDs.

    Raises ValidationError with what is mistaken in a setting, in place of what *validate* says about it.
    """
    mistakes = [*_mistakes(model, values, ids)] if isinstance(values, dict) else []
    if not mistakes:
        return validate(values)
    mistaken, others = {mistake["loc"][:1] for mistake in mistakes}, []
    try:
        validate(values)
    except ValidationError as error:
        others = [
            InitErrorDetails(type=one["type"], loc=one["loc"], input=one["input"], ctx=one.get("ctx", {}))
            for one in error.errors(include_url=False)
            if one["loc"][:1] not in mistaken
        ]
    raise ValidationError.from_exception_data(model.__name__, [*others, *mistakes], hide_input=True)


def _mistakes(model: type[BaseModel], values: dict[Any, Any], ids: Collection[str]) -> Iterator[InitErrorDetails]:
    page = f"docs/issuers/{values.get('preset')}.md"
    for name, value in values.items():
        if name not in model.model_fields or name == "preset":
            continue
        annotation = model.model_fields[name].annotation
        found = [*_secrets(value, annotation, page), *(_words(value, annotation, name) if name in ids else ())]
        for path, message in found:
            yield InitErrorDetails(
                type="value_error", loc=(name, *path), input=value, ctx={"error": ValueError(message)}
            )


def _secrets(value: object, annotation: Any, page: str) -> Iterator[tuple[Path, str]]:  # noqa: ANN401 - a type of any form
    """Yield where *value* of a setting of type *annotation* holds a secret, and what is wrong with that.

    The settings that are for secrets may have any value.
    """
    if SecretStr in members(annotation):
        return
    for path, text in _texts(value):
        if what := known_secret(text):
            yield path, f"holds {what}, so it is not shown; {page} says what to copy"


def _words(value: object, annotation: Any, name: str) -> Iterator[tuple[Path, str]]:  # noqa: ANN401 - a type of any form
    """Yield where *value* of the setting *name* has the word any as if it were an ID, and what is wrong with that."""
    takes_any = _ANY in choices_of(annotation)
    if isinstance(value, list) and _ANY in value:
        fix = f"lists any, which would be one ID\nwrite {name}: any, without brackets"
        yield (), fix if takes_any else "lists any, and the setting does not take it"
    elif value == _ANY and is_list(annotation) and not takes_any:
        yield (), "does not take any"


def _texts(value: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every text in *value*, which is what YAML can hold, and where it is."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _texts(inner, (*path, position))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(key, path)
            yield from _texts(inner, path)
