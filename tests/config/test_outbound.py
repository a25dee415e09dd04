"""What AuthGate connects to: the CA file of a server, and a URL in a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate import wiring
from authgate.config._outbound import redacted, url_problems
from authgate.config.load import load
from tests.support.certificates import Authority
from tests.support.rejections import assert_only, jwt_file, rejected

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://issuer.example/jwks"


@pytest.mark.parametrize(("content", "message"), [("", "no certificate in PEM"), ("nonsense", "no certificate in PEM")])
def test_a_ca_file_without_a_certificate_is_rejected(tmp_path: Path, content: str, message: str) -> None:
    """An empty one above all: for OpenSSL it would mean the CAs of the system."""
    (tmp_path / "ca.crt").write_text(content)
    problems = rejected(jwt_file(tmp_path, {"jwks_url": URL, "ca_file": str(tmp_path / "ca.crt")}))
    assert_only(problems, "issuers[0].ca_file", message)


def test_a_ca_file_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(Authority().pem)
    path = jwt_file(tmp_path, {"jwks_url": URL, "ca_file": str(tmp_path / "ca.crt")})
    assert wiring.prepare(load(str(path), {})).key_sets


def test_all_faults_of_a_url_are_in_one_message_without_its_password() -> None:
    (problem,) = url_problems("http://ada:canary@a/", "url", allow_http=False, content="keys", fix="x")
    assert problem.message.startswith(
        "'http://***@a/' is plain http: anyone on the network path could replace the keys"
    )
    assert "; it holds credentials" in problem.message


@pytest.mark.parametrize("url", ["http://ada:canary@a", "redis://:canary@b@a", "https://canary\n@a"])
def test_a_url_is_shown_without_user_and_password(url: str) -> None:
    assert redacted(url).endswith("://***@a'")


@pytest.mark.parametrize("parameter", ["password", "sslpassword", "access_token", "API_KEY", "client_secret"])
def test_a_url_is_shown_without_parameters_that_hold_a_secret(parameter: str) -> None:
    assert redacted(f"https://a/?x=1&{parameter}=canary&y=2") == f"'https://a/?x=1&{parameter}=***&y=2'"


@pytest.mark.parametrize(
    "part", ["/", "@", "?", "?pass", "&key", "eyJ", "eyJa.", "//@?token", "-----BEGIN ", "a", "sk_live"]
)
def test_a_long_text_is_redacted_in_time_that_grows_with_its_length(part: str) -> None:
    """With the square of the length, a megabyte would take hours."""
    assert len(redacted(part * (1_000_000 // len(part)))) < 100
