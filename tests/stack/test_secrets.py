"""The front end and AuthGate have one secret, so they refuse the same ones: in a variable, and in a file."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authgate.tokens.secrets import WELL_KNOWN
from deploy.stack.run import WEB
from tests.support import commands
from tests.support.client import ask
from tests.support.processes import free_port, program
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GOOD = token_hex(24).encode()
OTHER = token_hex(24).encode()
KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
PEM = KEY.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).strip()
DER = KEY.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
SSH = KEY.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
JWK = json.dumps(
    {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x" * 43}
).encode()

ACCEPTED = {
    "hex": GOOD,
    "base64": base64.b64encode(bytes(range(36))),
    "32 bytes": GOOD[:32],
    "32 bytes in 16 characters": "äöüßéèêëàáâãåæçñ".encode(),
    "spaces inside": b"correct horse battery staple and more",
    "in quotes": b'"%s"' % GOOD,
    "a dollar sign": b"$" + GOOD,
    "angle brackets inside": b"a<b>" + GOOD,
}
UNFIT = {
    "empty": b"",
    "31 bytes": GOOD[:31],
    "few distinct characters": b"abcdefg" * 6,
    "a variable that was not replaced": b"${BETTER_AUTH_SECRET} of the production",
    "a command that was not run": b"$(openssl rand -base64 48) or another",
    "a placeholder": b"<put a secret of 32 bytes in this place>",
    "your secret": b"replace this by your-secret in production",
    "an example in capitals": b"BETTER-AUTH-SECRET-12345678901234567890",
    "PEM": PEM,
    "PEM in base64": base64.b64encode(PEM),
    "DER in base64": base64.b64encode(DER),
    "DER in hex": DER.hex().encode(),
    "DER in hex with colons": DER.hex(":").encode(),
    "SSH": SSH,
    "JWK": JWK,
    "JWK in base64url": base64.urlsafe_b64encode(JWK).rstrip(b"="),
    **{f"example {secret}": secret.encode() for secret in sorted(WELL_KNOWN)},
}
SPACE_AROUND = {
    "a space in front": b" " + GOOD,
    "a space behind": GOOD + b" ",
    "a tab": GOOD + b"\t",
    "a carriage return": GOOD + b"\r",
    "two line feeds": GOOD + b"\n\n",
    "a line feed in front": b"\n" + GOOD,
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "a no-break space": GOOD + "\u00a0".encode(),
    "a zero-width space": GOOD + "\u200b".encode(),
}
# One line break at the end belongs to a file, and not to a variable.
LINE_BREAKS = {"a line feed": GOOD + b"\n", "CRLF": GOOD + b"\r\n"}


# What Next.js runs when the server starts. It ends the process if a setting is wrong.
AT_THE_START = 'require("./.next/server/instrumentation.js").register()'


def settings(environ: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Return the front end's environment with the secret in *environ*."""
    usual = {
        "PATH": os.environ["PATH"],
        "NODE_ENV": "production",
        "NEXT_RUNTIME": "nodejs",
        "HOSTNAME": "127.0.0.1",
        "BETTER_AUTH_URL": "http://localhost:8080",
        "DATABASE_URL": "postgresql://web@127.0.0.1:1/app",
    }
    return {os.fsencode(name): os.fsencode(value) for name, value in (usual | dict(environ)).items()}


def accepts(environ: Mapping[str, Any]) -> bool:
    """Whether the front end's own check accepts the secret; it exits with 78 otherwise, and names the variable."""
    command = [program("node", fix="apt-get install nodejs"), "-e", AT_THE_START]
    ended = subprocess.run(command, env=settings(environ), cwd=WEB, capture_output=True, timeout=60, check=False)
    assert (ended.returncode, b"Wrong setting: BETTER_AUTH_SECRET" in ended.stderr) in {(0, False), (78, True)}
    return ended.returncode == 0


def starts(environ: Mapping[str, Any]) -> bool:
    """Whether the whole front end starts: it answers, or exits as its check does."""
    port = free_port()
    command = [program("node", fix="apt-get install nodejs"), WEB / "server.js"]
    with subprocess.Popen(
        command, env=settings(environ) | {b"PORT": b"%d" % port}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as started:
        try:
            until(lambda: started.poll() is not None or _answers(port), pause_seconds=0.05)
            if started.poll() is None:
                return True
            assert started.stderr
            assert (started.returncode, b"Wrong setting: BETTER_AUTH_SECRET" in started.stderr.read()) == (78, True)
            return False
        finally:
            if started.poll() is None:
                started.send_signal(signal.SIGKILL)


def _answers(port: int) -> bool:
    try:
        return ask(port, "/icon.svg").status == 200
    except OSError:
        return False


def passes_check(environ: Mapping[str, Any]) -> bool:
    """Whether `authgate check` accepts these settings."""
    variables = {name: os.fsdecode(value) for name, value in environ.items()}
    ended = commands.authgate("check", environ={"BETTER_AUTH_URL": "http://localhost:8080"} | variables)
    assert ended.returncode in {0, 78}, ended.stderr
    return ended.returncode == 0


def verdicts(environs: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[bool, bool]]:
    """Return for each name whether the front end and AuthGate accept these settings."""
    with ThreadPoolExecutor(4) as threads:
        accepted = dict(zip(environs, threads.map(accepts, environs.values()), strict=True))
    return {name: (accepted[name], passes_check(environ)) for name, environ in environs.items()}


def test_the_front_end_starts_if_its_check_accepts_the_secret(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(GOOD)
    (tmp_path / "short").write_bytes(GOOD[:31])
    environs: list[Mapping[str, Any]] = [
        {"BETTER_AUTH_SECRET": GOOD},
        {"BETTER_AUTH_SECRET_FILE": tmp_path / "good"},
        {"BETTER_AUTH_SECRET": GOOD, "BETTER_AUTH_SECRETS": b"2:%s,1:%s" % (OTHER, GOOD)},
        {"BETTER_AUTH_SECRET": GOOD[:31]},
        {"BETTER_AUTH_SECRET_FILE": tmp_path / "short"},
        {"BETTER_AUTH_SECRET": GOOD, "BETTER_AUTH_SECRETS": b"2:%s,1:short" % OTHER},
    ]
    with ThreadPoolExecutor(4) as threads:
        assert [*threads.map(starts, environs)] == [*threads.map(accepts, environs)] == [True] * 3 + [False] * 3


def test_both_refuse_the_same_secrets_in_files(tmp_path: Path) -> None:
    secrets = ACCEPTED | LINE_BREAKS | SPACE_AROUND | UNFIT
    for number, secret in enumerate(secrets.values()):
        (tmp_path / str(number)).write_bytes(secret)
    environs = {name: {"BETTER_AUTH_SECRET_FILE": f"{tmp_path}/{number}"} for number, name in enumerate(secrets)}
    accepted = ACCEPTED | LINE_BREAKS
    assert verdicts(environs) == {name: (name in accepted,) * 2 for name in secrets}


def test_both_refuse_the_same_secrets_in_variables() -> None:
    secrets = {"good": GOOD, "short": GOOD[:31]} | LINE_BREAKS | SPACE_AROUND
    environs = {name: {"BETTER_AUTH_SECRET": secret} for name, secret in secrets.items()}
    assert verdicts(environs) == {name: (name == "good",) * 2 for name in secrets}


def test_both_refuse_the_same_lists_of_secrets() -> None:
    lists = {
        "two": (b"2:%s,1:%s" % (OTHER, GOOD), True),
        "a space after the comma": (b"2:%s, 1:%s" % (OTHER, GOOD), True),
        "one": (b"2:" + OTHER, True),
        "a short old one": (b"2:%s,1:short" % OTHER, False),
        "a space behind": (b"2:%s ,1:%s" % (OTHER, GOOD), False),
        "without a version": (OTHER, False),
        "a version that is not a number": (b"x:" + OTHER, False),
        "nothing after a comma": (b"2:%s," % OTHER, False),
        "nine": (b",".join(b"%d:%s" % (number, token_hex(24).encode()) for number in range(9)), False),
    }
    environs = {name: {"BETTER_AUTH_SECRET": GOOD, "BETTER_AUTH_SECRETS": value} for name, (value, _) in lists.items()}
    assert verdicts(environs) == {name: (accepted,) * 2 for name, (_, accepted) in lists.items()}


def test_a_file_that_is_no_text_is_refused_by_the_front_end_alone(tmp_path: Path) -> None:
    """AuthGate accepts 48 random bytes. Better Auth's secret is a text, so both would have different secrets."""
    path = tmp_path / "secret"
    path.write_bytes(bytes(range(255, 207, -1)))
    environ = {"BETTER_AUTH_SECRET_FILE": str(path)}
    assert (accepts(environ), passes_check(environ)) == (False, True)
