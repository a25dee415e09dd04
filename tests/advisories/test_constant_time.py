"""J26: no signature is compared but in constant time, by what the source of tokens/ says."""

from __future__ import annotations

import ast
from pathlib import Path

TOKENS = Path(__file__).parents[2] / "authgate" / "tokens"

# Where tokens/ itself computes an HMAC, and where it compares one. All else is left to PyJWT and joserfc.
COMPUTING = {"better_auth/signed_cookie.py": {"_signature"}, "better_auth/compact.py": {"_signing_key"}}
COMPARING = {"better_auth/signed_cookie.py": {"verify"}, "better_auth/compact.py": {"_signing_key"}}


def functions(source: str) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}


def called(function: ast.FunctionDef) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}


def computing(source: str) -> set[str]:
    """Return the functions of *source* that compute an HMAC themselves."""
    return {name for name, one in functions(source).items() if called(one) & {"hmac.new", "hmac.digest", "hmac.HMAC"}}


def comparing_openly(source: str) -> set[str]:
    """Return the functions of *source* that compute an HMAC, themselves or through each other, and compare by `==`."""
    known = functions(source)
    holding = computing(source)
    while further := {name for name, one in known.items() if called(one) & holding} - holding:
        holding |= further
    return {name for name in holding if any(_is_open(node) for node in ast.walk(known[name]))}


def _is_open(node: ast.AST) -> bool:
    kinds = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
    return isinstance(node, ast.Compare) and any(isinstance(one, kinds) for one in node.ops)


def sources() -> dict[str, str]:
    return {str(path.relative_to(TOKENS)): path.read_text() for path in sorted(TOKENS.rglob("*.py"))}


def test_J26_who_compares_a_signature_does_it_in_constant_time() -> None:
    """CVE-2026-32595, CVE-2026-41263 (Traefik): how long a comparison takes tells how much was right."""
    by_digest = {
        file: {name for name, one in functions(source).items() if "hmac.compare_digest" in called(one)}
        for file, source in sources().items()
    }
    assert {file: names for file, names in by_digest.items() if names} == COMPARING


def test_J26_nobody_computes_an_hmac_and_compares_it_otherwise() -> None:
    assert {file: found for file, source in sources().items() if (found := computing(source))} == COMPUTING
    assert {file: found for file, source in sources().items() if (found := comparing_openly(source))} == {}


def test_J26_hmac_goes_by_no_other_name() -> None:
    """So that what was looked for is all there is."""
    for file, source in sources().items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom):
                assert "hmac" not in (node.module or ""), file
                assert "hmac" not in {one.name for one in node.names}, file
            if isinstance(node, ast.Import):
                assert not [one for one in node.names if "hmac" in one.name and one.asname], file


def test_J26_an_open_comparison_would_be_found() -> None:
    mac = "def mac(key, text): return hmac.new(key, text, 'sha256').digest()\n"
    closed = "hmac.compare_digest(mac(key, text), sent)"
    for comparison in ("mac(key, text) == sent", "sent != mac(key, text)", "sent in [mac(key, text)]"):
        assert comparing_openly(f"{mac}def holds(key, text, sent): return {comparison}") == {"holds"}
    assert comparing_openly(f"{mac}def holds(key, text, sent): return {closed}") == set()
