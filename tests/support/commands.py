"""AuthGate's commands, run as a user runs them: with pipes, or in a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from contextlib import chdir
from typing import TYPE_CHECKING
from unittest.mock import patch

from click.testing import CliRunner

from authgate.cli import commands
from tests.support import forks
from tests.support.processes import ROOT
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT_SECONDS = 60
# A start without a file: an issuer "jwt" with the tests' secret.
ENVIRON = {"JWT_SECRET": SECRET.decode(), "AUTHGATE_AUDIENCE": "tasks"}


def authgate(
    *arguments: object, environ: Mapping[str, str] | None = None, stdin: str | bytes = ""
) -> subprocess.CompletedProcess[str]:
    """Run `authgate` with *arguments* and this environment; by default `ENVIRON`, or none with --config.

    It runs in this process: to start another takes a second. `in_a_process` starts one.
    """
    command, variables = _command(arguments, environ)
    with patch.dict(os.environ, variables, clear=True), chdir(ROOT):
        ended = CliRunner().invoke(commands, command[3:], stdin, prog_name="authgate")
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return subprocess.CompletedProcess(command, ended.exit_code, ended.stdout, ended.stderr)


def in_a_process(
    *arguments: object, environ: Mapping[str, str] | None = None, stdin: str | bytes = ""
) -> subprocess.CompletedProcess[str]:
    """Do the same as `authgate`, in a process of its own."""
    command, variables = _command(arguments, environ)
    text = stdin.encode() if isinstance(stdin, str) else stdin
    ended = subprocess.run(
        command, capture_output=True, env=variables, cwd=ROOT, input=text, timeout=_TIMEOUT_SECONDS, check=False
    )
    return subprocess.CompletedProcess(command, ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def in_terminal(
    *arguments: object, environ: Mapping[str, str] | None = None, typed: str = "", columns: int = 80
) -> tuple[int, str]:
    """Run `authgate` in a terminal of this width; return its exit code and everything that it shows.

    *typed* is written to the terminal, then Ctrl-D. The terminal does not show it.
    """
    command, variables = _command(arguments, environ)
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    attributes = termios.tcgetattr(its)
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(its, termios.TCSANOW, attributes)
    process = forks.start(command[3:], its, stdin=its, environ=variables, cwd=ROOT)
    os.close(its)
    os.write(ours, f"{typed}\n\x04".encode())
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # Linux's way to report that the other end is closed
        pass
    os.close(ours)
    code = process.wait(_TIMEOUT_SECONDS)
    return code, shown.decode().replace("\r\n", "\n")


def _command(arguments: tuple[object, ...], environ: Mapping[str, str] | None) -> tuple[list[str], dict[str, str]]:
    if environ is None:
        environ = {} if "--config" in arguments else ENVIRON
    command = [sys.executable, "-m", "authgate", *map(str, arguments)]
    return command, {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environ}
