"""J26: the source of tokens/ compares signatures only in constant time."""

from __future__ import annotations

import ast
from pathlib import Path

TOKENS = Path(__file__).parents[2] / "authgate" / "tokens"

# Where tokens/ itself computes an HMAC, and where it compares one: nowhere. cryptography does, in algorithms.py, and
# joserfc does everything else.
COMPUTING = {
    "algorithms.py": {"_hmac"},
    "better_auth/signed_cookie.py": {"_signature"},
}
COMPARING: dict[str, set[str]] = {}


def functions(source: str) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}


def called_names(function: ast.FunctionDef) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}


def computing_hmac(source: str) -> set[str]:
    """Return the functions in *source* that compute an HMAC themselves."""
    hmac_names = {"hmac.new", "hmac.digest", "hmac.HMAC", "HMAC"}
    return {name for name, function in functions(source).items() if called_names(function) & hmac_names}


def comparing_in_variable_time(source: str) -> set[str]:
    """Return the functions in *source* that compute an HMAC, directly or by a call, and compare with `==` or `in`."""
    by_name = functions(source)
    computing = computing_hmac(source)
    while callers := {name for name, function in by_name.items() if called_names(function) & computing} - computing:
        computing |= callers
    return {name for name in computing if any(_is_variable_time(node) for node in ast.walk(by_name[name]))}


def _is_variable_time(node: ast.AST) -> bool:
    kinds = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
    return isinstance(node, ast.Compare) and any(isinstance(operator, kinds) for operator in node.ops)


def sources() -> dict[str, str]:
    return {str(path.relative_to(TOKENS)): path.read_text() for path in sorted(TOKENS.rglob("*.py"))}


def test_J26_signatures_are_compared_in_constant_time() -> None:
    """CVE-2026-32595, CVE-2026-41263 (Traefik): the duration of a comparison shows how many characters were right."""
    comparing = {
        file: {name for name, function in functions(source).items() if "hmac.compare_digest" in called_names(function)}
        for file, source in sources().items()
    }
    assert {file: names for file, names in comparing.items() if names} == COMPARING


def test_J26_no_function_that_computes_an_hmac_compares_it_in_variable_time() -> None:
    assert {file: names for file, source in sources().items() if (names := computing_hmac(source))} == COMPUTING
    assert {file: names for file, source in sources().items() if (names := comparing_in_variable_time(source))} == {}


def test_J26_hmac_is_imported_under_no_other_name() -> None:
    """Otherwise the tests above would miss some calls."""
    imported = []
    for file, source in sources().items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom):
                if "hmac" in (node.module or ""):
                    imported.append((file, node.module, [(alias.name, alias.asname) for alias in node.names]))
                assert "hmac" not in {alias.name for alias in node.names}, file
            if isinstance(node, ast.Import):
                assert not [alias for alias in node.names if "hmac" in alias.name and alias.asname], file
    assert imported == [("algorithms.py", "cryptography.hazmat.primitives.hmac", [("HMAC", None)])]


def test_J26_what_cryptography_computes_it_also_compares() -> None:
    """Its `verify` takes constant time. `finalize` would return the bytes, which tokens/ had to compare."""
    for file, source in sources().items():
        methods = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
        assert "finalize" not in methods, file


def test_J26_these_tests_find_a_comparison_in_variable_time() -> None:
    mac = "def mac(key, text): return hmac.new(key, text, 'sha256').digest()\n"
    constant_time = "hmac.compare_digest(mac(key, text), sent)"
    for comparison in ("mac(key, text) == sent", "sent != mac(key, text)", "sent in [mac(key, text)]"):
        assert comparing_in_variable_time(f"{mac}def check(key, text, sent): return {comparison}") == {"check"}
    assert comparing_in_variable_time(f"{mac}def check(key, text, sent): return {constant_time}") == set()
