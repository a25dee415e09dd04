"""Text that did not come from AuthGate's own source, made safe for a log, a terminal or a page.

There are two walls, because one of them is easily forgotten:

- `quoted` where a foreign value is put into a sentence: one sees where the value begins and where it ends. In tables of
  the commands, `escaped`.
- `printable` where a sentence leaves AuthGate: in the formatters of the log (`log.py`) and before the commands print
  (`cli/_terminal.py`). Whatever the sentence has, it stays one line and does nothing to a terminal.

Not printable are control characters (C0, DEL, C1), line separators, spaces other than the ordinary one, characters that
change the direction of text or have no width, surrogates, and code points that Unicode has not assigned.
"""

from __future__ import annotations


def cut(text: str, max_characters: int) -> str:
    """Return *text*; if it has more than *max_characters*, its beginning and "..." within them."""
    return text if len(text) <= max_characters else f"{text[: max_characters - 3]}..."


def quoted(text: str | None, max_characters: int = 80) -> str:
    """Return *text* as printable ASCII in quotes, safe for a message or a terminal. A backslash is doubled.

    Text longer than *max_characters* is cut. Escapes count as one character each, so the result may be longer.
    """
    return ascii(text if text is None else cut(text, max_characters))


def printable(text: str, max_characters: int | None = None) -> str:
    r"""Return *text* with escapes, such as \n or \x1b, in place of what is not printable.

    Text longer than *max_characters* is cut before that. A backslash stays as it is, because quoted values are a part
    of the text.
    """
    if max_characters is not None:
        text = cut(text, max_characters)
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def escaped(text: str) -> str:
    """Return *text* as printable ASCII, without quotes, for a column or a name. Letters that look alike differ."""
    return "".join(c if c.isascii() and c.isprintable() else ascii(c)[1:-1] for c in text)
