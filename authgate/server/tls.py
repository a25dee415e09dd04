"""TLS: certificate files → context, watched; and what a client's certificate says about a peer."""

from __future__ import annotations

import hashlib
import logging
import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

from authgate.blocking import BlockingCall
from authgate.bugs import log_bug
from authgate.certificates import BadFile, check_key, expiry_warning, read_ca_certificates, read_leaf
from authgate.core.errors import ConfigError, Problem
from authgate.files import FIX_UNREADABLE, read_bounded, why_unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authgate.certificates import CaCertificates, Leaf

MAX_FILE_BYTES = 64 * 1024
READ_TIMEOUT_SECONDS = 3.0

_log = logging.getLogger(__name__)

Stage: TypeAlias = Literal["soon", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is at the other end: its *address*, and the names in its verified certificate, None without one."""

    address: str
    certificate_names: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A certificate that OpenSSL accepted in a handshake, under the CAs whose digest is *authorities*."""

    names: frozenset[str]
    expires_at: float
    authorities: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsState:
    """What the files hold at one time. *digest* is that of their contents, *authorities* that of the client CAs."""

    context: ssl.SSLContext = field(repr=False)
    digest: bytes = field(repr=False)
    authorities: bytes | None = field(repr=False)
    serial: str
    expires_at: float
    authorities_expire_at: float

    def client_certificate(self, peercert: dict[str, object] | None) -> ClientCertificate | None:
        """Return what `SSLObject.getpeercert` gave after a handshake under this state; None without a certificate."""
        if self.authorities is None or not peercert:
            return None
        # A URI has a colon and a DNS name has none, so that neither can pass for the other.
        names: Any = peercert.get("subjectAltName", ())
        return ClientCertificate(
            names=frozenset(
                name.lower() if kind == "DNS" else name
                for kind, name in names
                if name.isascii() and (kind, ":" in name) in {("DNS", False), ("URI", True)}  # a Kelvin sign is no "k"
            ),
            expires_at=ssl.cert_time_to_seconds(str(peercert["notAfter"])),
            authorities=self.authorities,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """The files of the group *setting* of the configuration. Reading them blocks."""

    setting: str
    certificate_file: str
    key_file: str
    client_ca_file: str | None = None

    def load(self) -> TlsState:
        """Return what the files hold; raise `ConfigError` with all that is wrong with them."""
        digest, now = self.digest(), time.time()
        problems: list[Problem] = []
        leaf: Leaf | None = None
        authorities: CaCertificates | None = None
        with self._noting(problems, "certificate_file"):
            leaf = read_leaf(read_bounded(self.certificate_file, MAX_FILE_BYTES), now)
        with self._noting(problems, "key_file"):
            check_key(read_bounded(self.key_file, MAX_FILE_BYTES), leaf)
        if self.client_ca_file is not None:
            with self._noting(problems, "client_ca_file"):
                authorities = read_ca_certificates(read_bounded(self.client_ca_file, MAX_FILE_BYTES))
        if problems or leaf is None:
            raise ConfigError(problems)
        with self._noting(problems, "certificate_file"):
            context = self._context(authorities)
            if self.digest() != digest:  # OpenSSL reads the files by itself, and may have read others
                raise BadFile("the files are being changed", "start again")
            return TlsState(
                context=context,
                digest=digest,
                authorities=authorities.digest if authorities else None,
                serial=leaf.serial,
                expires_at=leaf.expires_at,
                authorities_expire_at=authorities.first_expires_at if authorities else float("inf"),
            )
        raise ConfigError(problems)

    def digest(self) -> bytes:
        """Return what differs whenever the contents of the files do, or whether they can be read."""
        digest = hashlib.sha256()
        for path in (self.certificate_file, self.key_file, self.client_ca_file):
            try:
                content = b"content " + read_bounded(path, MAX_FILE_BYTES) if path is not None else b"none"
            except (OSError, ValueError) as error:
                content = f"error {error}".encode()
            digest.update(hashlib.sha256(content).digest())
        return digest.digest()

    def warnings(self, state: TlsState) -> list[str]:
        """Return what of *state* is about to expire, or has expired."""
        return [*self.expiries(state, time.time()).values()]

    def expiries(self, state: TlsState, now: float) -> dict[tuple[str, Stage], str]:
        """Return what of *state* is about to expire at *now*, or has expired: a sentence by file and stage."""
        found: dict[tuple[str, Stage], str] = {}
        for name, message, expires_at in (
            ("certificate_file", "the certificate", state.expires_at),
            ("client_ca_file", "a CA", state.authorities_expire_at),
        ):
            if sentence := expiry_warning(f"{self.setting}.{name}: {message}", expires_at, now):
                found[name, "soon" if expires_at > now else "expired"] = sentence
        return found

    def _context(self, authorities: CaCertificates | None) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # nginx before 1.23.4 offers upstreams no 1.3 by default
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self.certificate_file, self.key_file, password=_no_passphrase)
        if authorities is not None:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an intermediate CA may stand alone in the file
            context.load_verify_locations(cadata=authorities.der)
            # A resumed session is not verified again. What OpenSSL still keeps for TLS 1.2 ends with the context, and
            # whether the certificate has expired is asked at every request.
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0
        return context

    @contextmanager
    def _noting(self, problems: list[Problem], name: str) -> Iterator[None]:
        """Add what goes wrong with the file of the setting *name* to *problems*."""
        message, fix = "", FIX_UNREADABLE
        try:
            yield
        except BadFile as bad:
            message, fix = bad.message, bad.fix
        except ssl.SSLError as error:
            message, fix = f"OpenSSL refuses it: {error.reason}", "make a new one, as docs/tls.md shows"
        except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it, or a file that is too long
            message = f"cannot read {getattr(self, name)}: {why_unreadable(error)}"
        if message:
            problems.append(Problem(setting=f"{self.setting}.{name}", message=message, fix=fix))


class WatchedTls:
    """The state that new connections are made under: that of the files, or the last one that was sound."""

    def __init__(
        self,
        files: TlsFiles,
        state: TlsState,
        *,
        timeout_seconds: float = READ_TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """*timeout_seconds* bounds one reading of the files; *clock* tells what has expired, in Unix time."""
        self.current = state
        self.failure = ""
        self.failed_handshakes = 0
        self._files = files
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._reading = BlockingCall(self._load_newer)
        self._bug = ""
        self._told = {*files.expiries(state, clock())}  # at start

    def holds(self, certificate: ClientCertificate) -> bool:
        """Say whether *certificate* still counts: it has not expired, and the client CAs are those that it met."""
        return certificate.expires_at > self._clock() and certificate.authorities == self.current.authorities

    async def poll(self) -> None:
        """Take over what the files hold now. What cannot be used changes nothing, is told once, and kept in `failure`.

        By content and not by notification, which does not reach through bind mounts.
        """
        failure, bug_told, newer = "", "", None
        try:
            newer = await self._reading.result(self._timeout_seconds)
        except TimeoutError:
            failure = f"reading its files takes longer than {self._timeout_seconds} s"
        except ConfigError as error:
            failure = "; ".join(f"{problem.setting}: {problem.message}" for problem in error.problems)
        except Exception as bug:  # noqa: BLE001 - a bug in reading stops neither the watch nor the service
            bug_told = log_bug(bug, self._bug)
            failure = "internal error"
        self._bug = bug_told
        if failure and failure != self.failure:
            _log.warning("the new certificate cannot be used, the old one stays: %s", failure)
        self.failure = failure
        if newer is not None:
            self._take_over(newer)
        self._warn()

    def _load_newer(self) -> TlsState | None:
        return None if self._files.digest() == self.current.digest else self._files.load()

    def _take_over(self, newer: TlsState) -> None:
        new_authorities = newer.authorities != self.current.authorities
        self.current = newer
        self._told.clear()
        _log.info(
            "%s has a new certificate: serial %s%s",
            self._files.setting,
            newer.serial,
            "; the client CAs are others, connections by client certificate are closed" if new_authorities else "",
        )

    def _warn(self) -> None:
        expiries = self._files.expiries(self.current, self._clock())
        for stage, sentence in expiries.items():
            if stage not in self._told:
                _log.warning("%s", sentence)
        self._told.update(expiries)


def _no_passphrase() -> NoReturn:
    raise BadFile("the private key is encrypted", "take the passphrase off")  # or OpenSSL would ask on the terminal
