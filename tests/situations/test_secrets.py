"""Secrets come from editors, from variables, from generators of random bytes, and as base64."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.situations.explained import bearer, explained, publish
from tests.support import commands
from tests.support.rejections import rejected
from tests.support.tokens import OTHER_SECRET, SECRET, b64, mint

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
issuers:
  - {name: api, preset: jwt, audiences: any, secret_file: secret.txt}
"""
ENDS_IN_LF = bytes(reversed(range(10, 58)))
ENDS_IN_VT = bytes(reversed(range(11, 59)))
BYTES = bytes(range(7, 55))
JWK = {"kty": "oct", "alg": "HS256", "k": b64(BYTES)}


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (SECRET, SECRET),
        (SECRET + b"\n", SECRET),
        (SECRET + b"\r\n", SECRET),
        (BYTES, BYTES),
        (BYTES + b"\n", BYTES),
        (BYTES + b"\r\n", BYTES),
        (ENDS_IN_LF, ENDS_IN_LF),
        (ENDS_IN_LF + b"\n", ENDS_IN_LF),
        (ENDS_IN_VT, ENDS_IN_VT),
        (ENDS_IN_LF[-32:], ENDS_IN_LF[-32:]),  # without its last byte it would be too short
        (b"\x20" + BYTES, b"\x20" + BYTES),
        (b'"' + SECRET + b'"', b'"' + SECRET + b'"'),
    ],
    ids=[
        *("text", "LF", "CRLF", "bytes", "bytes and LF", "bytes and CRLF", "bytes that end in LF"),
        *("bytes that end in LF, and LF", "bytes that end in VT", "32 bytes that end in LF"),
        *("bytes that begin with a space", "quotes"),
    ],
)  # fmt: skip
def test_a_token_under_the_secret_of_a_file_passes(tmp_path: Path, content: bytes, secret: bytes) -> None:
    (tmp_path / "secret.txt").write_bytes(content)
    assert explained(tmp_path, CONFIG, bearer(mint(key=secret))).answer == "200"
    assert explained(tmp_path, CONFIG, bearer(mint(key=OTHER_SECRET))).answer == "401 bad_signature"


@pytest.mark.parametrize("content", [SECRET + b"\n\n", b" " + SECRET, SECRET + b" \n", b"\xef\xbb\xbf" + SECRET])
def test_other_white_space_around_the_text_of_a_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret.txt").write_bytes(content)
    (problem,) = rejected(JWT_SECRET_FILE=str(tmp_path / "secret.txt"))
    assert "begins or ends with white space" in problem.message


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {}", "{}\t"])
def test_white_space_around_a_variable_is_refused(around: str) -> None:
    (problem,) = rejected(JWT_SECRET=around.format(SECRET.decode()))
    assert "begins or ends with white space" in problem.message


def test_random_bytes_are_given_as_a_jwk(tmp_path: Path) -> None:
    publish(tmp_path, JWK)
    config = CONFIG.replace("secret_file: secret.txt", "jwks_file: jwks.json")
    assert explained(tmp_path, config, bearer(mint(key=BYTES))).answer == "200"
    assert explained(tmp_path, config, bearer(mint(key=b64(BYTES).encode()))).answer == "401 bad_signature"


QUOTED = f"'{SECRET.decode()}'"


@pytest.mark.parametrize("preset", ["jwt, audiences: any", "better-auth", "authjs", "nextauth-v4"])
@pytest.mark.parametrize("setting", ["secret_file: {file}", "secret_env: S", 'secret: "{secret}"'])
def test_a_secret_in_quotes_is_a_warning_in_check(tmp_path: Path, preset: str, setting: str) -> None:
    (tmp_path / "secret.txt").write_text(QUOTED)
    source = setting.format(file=tmp_path / "secret.txt", secret=QUOTED)
    (tmp_path / "authgate.yaml").write_text(f"issuers: [{{name: api, preset: {preset}, {source}}}]")
    ended = commands.authgate("check", "--config", tmp_path / "authgate.yaml", environ={"S": QUOTED})
    assert ended.returncode == 0, ended.stderr
    assert "secret is in quotes" in " ".join(ended.stderr.split())
    assert SECRET.decode() not in ended.stderr + ended.stdout


def test_a_jwk_with_plain_base64_is_rejected_with_the_spelling_to_write(tmp_path: Path) -> None:
    (tmp_path / "oct.json").write_text('{"kty": "oct", "alg": "HS256", "k": "%s="}' % ("+/Ab" * 11))
    (tmp_path / "authgate.yaml").write_text(
        f"issuers: [{{name: api, preset: jwt, audiences: any, jwks_file: {tmp_path}/oct.json}}]"
    )
    ended = commands.authgate("check", "--config", tmp_path / "authgate.yaml", environ={})
    assert ended.returncode != 0
    assert "write it in base64url: - for +, _ for /, and no =" in " ".join(ended.stderr.split())


def test_a_binary_secret_that_ends_in_a_line_break_is_a_warning_in_check(tmp_path: Path) -> None:
    for content, is_warned in ((ENDS_IN_LF, True), (BYTES + b"\r\n", True), (BYTES, False)):
        (tmp_path / "secret.txt").write_bytes(content)
        (tmp_path / "authgate.yaml").write_text(CONFIG.replace("secret.txt", str(tmp_path / "secret.txt")))
        ended = commands.authgate("check", "--config", tmp_path / "authgate.yaml", environ={})
        assert ended.returncode == 0, ended.stderr
        assert ("one line break at its end was stripped" in " ".join(ended.stderr.split())) is is_warned
