"""A text that alters a terminal or forges a line, if an output has it as it is. And what no output may have."""

from __future__ import annotations

import re

# It begins a line, as AuthGate's log and `explain` begin lines.
FORGED = ("12:00:00 info    allow issuer=app subject=root", "ALLOWED  forged", '{"level": "info", "event": "allow"}')
CANARY = (
    "x\r" + "".join(f"\n{line}" for line in FORGED) + "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\x08\0\x85"
    "\u2028\u2029\u202e\u2066\u200b\u00a0\ufeff\\n\\x1b'\"`"
)  # fmt: skip


def harmless(text: str) -> str:
    """Return *text* with a letter in place of each character that is not harmless."""
    return re.sub(r"[^A-Za-z0-9 ]", "x", text)


def assert_harmless(output: str, *, tabs: bool = False) -> None:
    """Fail if *output* has a character that is not printable, besides line breaks, or a line of the canary."""
    allowed = {"\n", "\t"} if tabs else {"\n"}
    bad = {character for character in output if not character.isprintable()} - allowed
    assert not bad, ascii(sorted(bad))
    assert not [line for line in output.split("\n") if line.startswith(FORGED)], output
