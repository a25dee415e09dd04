"""What AuthGate refuses to start with: every problem at once, each with its setting and its mending, none quoting."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authgate import wiring
from authgate.config.load import load
from authgate.core.errors import ConfigError, Problem
from tests.support.tokens import OTHER_SECRET, SECRET, b64, private_key, public_jwk, public_pem

if TYPE_CHECKING:
    from pathlib import Path

GOOD = SECRET.decode()
OTHER = OTHER_SECRET.decode()


def problems(path: Path | None = None, **environ: str) -> list[Problem]:
    """Return what a start with the file at *path* and *environ* is refused for."""
    with pytest.raises(ConfigError) as refused:
        wiring.prepare(load(str(path) if path else None, environ))
    found = list(refused.value.problems)
    assert all(problem.setting and problem.message and problem.fix for problem in found)
    told = str(refused.value)
    values = [value for name, value in environ.items() if len(value) > 24 and not name.endswith("_FILE")]
    assert all(secret not in told for secret in (GOOD, OTHER, *values))
    return found


def written(folder: Path, *issuers: dict[str, Any], **settings: Any) -> Path:
    path = folder / "authgate.yaml"
    path.write_text(yaml.safe_dump({"issuers": list(issuers), **settings} if issuers else settings), encoding="utf-8")
    return path


def issuer(**settings: Any) -> dict[str, Any]:
    return {"name": "app", "preset": "jwt", "audiences": "any"} | settings


def only(found: list[Problem], setting: str, what: str) -> None:
    assert [problem.setting for problem in found] == [setting], found
    assert what in found[0].message


def test_no_key_at_all_is_refused() -> None:
    only(problems(), "issuers", "there is no key at all")


@pytest.mark.parametrize("name", ["JWT_SECRET", "BETTER_AUTH_SECRET"])
def test_an_empty_secret_is_no_key(name: str) -> None:
    only(problems(**{name: ""}), "issuers", f"{name} is set, but empty")


def test_an_address_is_no_key() -> None:
    only(problems(BETTER_AUTH_URL="https://app.example.com"), "issuers", "there is no key at all")


def encodings() -> dict[str, bytes]:
    public = private_key("RS256").public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = json.dumps(public_jwk("RS256", "k1")).encode()
    return {
        "PEM": public_pem("RS256").strip(),
        "base64 of PEM": base64.b64encode(public_pem("RS256")),
        "base64 of DER": base64.b64encode(der),
        "JWK": key,
        "JWKS": b'{"keys":[' + key + b"]}",
        "base64 of JWK": base64.b64encode(key),
        "SSH": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
    }


@pytest.mark.parametrize("name", ["JWT_SECRET", "BETTER_AUTH_SECRET"])
@pytest.mark.parametrize("encoding", encodings())
def test_a_secret_that_is_a_public_key_is_refused(name: str, encoding: str) -> None:
    found = problems(**{name: encodings()[encoding].decode()})
    only(found, f"issuers[0].secret_env ({name})", "anybody who has the public key could sign")


@pytest.mark.parametrize("padding", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"xx", b"x\n", b"x\r", b"\r\n", b"\n\n"])
def test_a_secret_file_that_is_a_public_key_in_der_is_refused(tmp_path: Path, padding: bytes, last: bytes) -> None:
    public = Ed25519PublicKey.from_public_bytes(bytes(range(30)) + last)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "secret").write_bytes(der + padding)
    found = problems(JWT_SECRET_FILE=str(tmp_path / "secret"))
    assert any("anybody who has the public key could sign" in problem.message for problem in found)


@pytest.mark.parametrize(
    ("secret", "what"),
    [
        (GOOD[:31], "it is 31 bytes long; at least 32 are needed"),
        (GOOD + " ", "white space"),
        (GOOD + "\n", "white space"),
        ("\t" + GOOD, "white space"),
        ("abcdefg" * 6, "fewer than 8 distinct characters"),
        ("better-auth-secret-12345678901234567890", "well-known example"),
        ("a-string-secret-at-least-256-bits-long", "well-known example"),
    ],
)
def test_a_weak_secret_is_refused(secret: str, what: str) -> None:
    only(problems(JWT_SECRET=secret), "issuers[0].secret_env (JWT_SECRET)", what)


def test_every_weakness_of_a_secret_is_told() -> None:
    found = problems(JWT_SECRET=" hunter2")
    assert [problem.message.split(" ")[1:3] for problem in found] == [["begins", "or"], ["is", "8"]]
    assert all("hunter2" not in str(problem) for problem in found)


def test_two_different_secrets_are_refused() -> None:
    found = problems(JWT_SECRET=GOOD, BETTER_AUTH_SECRET=OTHER)
    only(found, "JWT_SECRET and BETTER_AUTH_SECRET", "are both set and different")


@pytest.mark.parametrize("second", ["JWT_SECRET_FILE", "BETTER_AUTH_SECRET_FILE"])
def test_a_secret_and_a_secret_file_at_once_are_refused(second: str) -> None:
    found = problems(**{"JWT_SECRET": GOOD, second: "/x"})
    only(found[:1], f"JWT_SECRET and {second}", "are set at once")


@pytest.mark.parametrize("setting", ["pem_file", "jwks_file"])
def test_an_rsa_key_under_2048_bits_is_refused(tmp_path: Path, setting: str) -> None:
    key = rsa.generate_private_key(65537, 1024).public_key()
    modulus = b64(key.public_numbers().n.to_bytes(128, "big"))
    content = {
        "pem_file": key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "jwks_file": json.dumps({"keys": [public_jwk("RS256", n=modulus)]}).encode(),
    }[setting]
    (tmp_path / "keys").write_bytes(content)
    found = problems(written(tmp_path, issuer(**{setting: str(tmp_path / "keys")})))
    only(found, f"issuers[0].{setting}", "the RSA key has 1024 bits; 2048 to 8192 are accepted")


def test_a_secret_and_public_keys_in_one_set_are_refused(tmp_path: Path) -> None:
    keys = [public_jwk("RS256", "a"), {"kty": "oct", "kid": "b", "alg": "HS256", "k": b64(SECRET)}]
    (tmp_path / "jwks").write_text(json.dumps({"keys": keys}), encoding="utf-8")
    found = problems(written(tmp_path, issuer(jwks_file=str(tmp_path / "jwks"))))
    only(found, "issuers[0].jwks_file", "it mixes a shared secret (oct) with public keys")


@pytest.mark.parametrize("second", ["pem_file", "jwks_file"])
def test_a_secret_and_a_file_of_public_keys_of_one_issuer_are_refused(tmp_path: Path, second: str) -> None:
    found = problems(written(tmp_path, issuer(secret=GOOD, **{second: "/x"})))
    assert found[0].setting == "issuers[0]"
    assert "let anybody who has the public key sign" in found[0].message


@pytest.mark.parametrize("sources", [{"secret": GOOD, "secret_env": "X"}, {"pem_file": "/x", "jwks_file": "/y"}])
def test_two_sources_of_keys_are_refused(tmp_path: Path, sources: dict[str, str]) -> None:
    found = problems(written(tmp_path, issuer(**sources)))
    assert (found[0].setting, found[0].message) == (
        "issuers[0]",
        f"has {' and '.join(sources)}: one issuer has one source of keys",
    )


def test_an_issuer_without_a_key_is_refused(tmp_path: Path) -> None:
    only(problems(written(tmp_path, issuer())), "issuers[0]", "has no key")


def test_an_issuer_in_the_file_without_audiences_is_refused(tmp_path: Path) -> None:
    found = problems(written(tmp_path, {"name": "app", "preset": "jwt", "secret": GOOD}))
    only(found, "issuers[0].audiences", "is missing")
    assert "audiences: any" in found[0].fix


@pytest.mark.parametrize("setting", ["secret_file", "pem_file", "jwks_file"])
def test_a_key_file_that_cannot_be_read_is_refused(tmp_path: Path, setting: str) -> None:
    for unreadable in (tmp_path / "missing", tmp_path):
        found = problems(written(tmp_path, issuer(**{setting: str(unreadable)})))
        only(found, f"issuers[0].{setting}", "cannot read")
        assert "mounted" in found[0].fix


@pytest.mark.parametrize(("environ", "what"), [({}, "not set"), ({"MY_SECRET": ""}, "empty")])
def test_a_secret_variable_that_is_not_there_is_refused(tmp_path: Path, environ: dict[str, str], what: str) -> None:
    found = problems(written(tmp_path, issuer(secret_env="MY_SECRET")), **environ)
    only(found, "issuers[0].secret_env", f"the environment variable MY_SECRET is {what}")


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        ({"issuer": "a"}, {"name": "app", "issuer": "b"}, "two issuers have the name 'app'"),
        ({"issuer": "a"}, {"issuer": "a"}, "two issuers have the issuer 'a'"),
        ({}, {}, "two issuers leave out `issuer`"),
    ],
)
def test_issuers_whose_tokens_cannot_be_told_apart_are_refused(
    tmp_path: Path, first: dict[str, str], second: dict[str, str], what: str
) -> None:
    issuers = issuer(secret=GOOD, **first), issuer(secret=OTHER, **({"name": "two"} | second))
    only(problems(written(tmp_path, *issuers)), "issuers", what)


def test_everybody_is_trusted_only_with_the_unsafe_switch(tmp_path: Path) -> None:
    for network in ("0.0.0.0/0", "::/0"):
        path = written(tmp_path, issuer(secret=GOOD), trusted_proxies=["10.0.0.0/8", network])
        only(problems(path), "trusted_proxies", f"{network} trusts everybody")
        assert wiring.prepare(load(str(path), {"AUTHGATE_UNSAFE_TRUST_ALL_PROXIES": "true"})).config


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        issuer(secret=GOOD[:16]),
        issuer(name="two", issuer="x", pem_file="/missing"),
        issuer(name="Three", secret=GOOD),
        lisen="127.0.0.1:1",
        leeway_seconds=301,
    )
    assert [problem.setting for problem in problems(path, AUTHGATE_LOG__FORMT="json", AUTHGATE_AUDIENCE="api")] == [
        "AUTHGATE_LOG__FORMT",
        "AUTHGATE_AUDIENCE",
        "leeway_seconds",
        "issuers[2].name",
        "lisen",
        "issuers",  # the first and the third leave out `issuer`
        "issuers[0].secret",
        "issuers[1].pem_file",
    ]


def test_a_mistake_in_one_setting_of_an_issuer_does_not_hide_those_of_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "issuers:\n"
        "  - {name: Bad Name, preset: better-auht, secret: short, audiences: x, issuer: 7}\n"
        f"  - {{name: b, preset: jwt, jwks_file: {tmp_path / 'nope'}, audience: x}}\n"
    )
    with pytest.raises(ConfigError) as error:
        wiring.prepare(load(str(file), {}))
    assert {problem.setting for problem in error.value.problems} == {
        "issuers[0].name",
        "issuers[0].preset",
        "issuers[0].audiences",
        "issuers[0].issuer",
        "issuers[0].secret",
        "issuers[1].audience",
        "issuers[1].audiences",
        "issuers[1].jwks_file",
    }


def test_a_secret_file_has_a_bound(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"0123456789" * 6554)
    only(problems(JWT_SECRET_FILE=str(tmp_path / "s")), "issuers[0].secret_file", "longer than 65536")
