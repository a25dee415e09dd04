"""TLS of a listener: its certificate files, which are polled, and the client certificates of its peers.

`TlsFiles` reads the files of one group of settings into a `TlsState`. `WatchedTls` holds the state for new
connections and polls the files:

    unchanged  → nothing happens
    usable     → the new state replaces the old one, the failure is cleared
    unusable   → the old state stays, the failure is logged once and shown as a metric, the next poll tries again

A handshake uses the state that was current when it began. A client certificate counts for as long as it has not
expired and the client CAs are the ones it was verified with; this is checked at every request.
"""

from __future__ import annotations

import hashlib
import logging
import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

from authgate.blocking import BlockingCall, NoThread
from authgate.bugs import log_bug
from authgate.certificates import BadFile, check_key, expiry_warning, read_ca_certificates, read_leaf
from authgate.core.errors import ConfigError, Problem
from authgate.files import FIX_UNREADABLE, read_bounded, settled, shown_path, unreadable_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authgate.certificates import CaCertificates, Leaf

MAX_FILE_BYTES = 64 * 1024
READ_TIMEOUT_SECONDS = 3.0

_log = logging.getLogger(__name__)

Stage: TypeAlias = Literal["soon", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A certificate that OpenSSL verified in a handshake. *authorities* is the digest of the client CAs it used."""

    names: frozenset[str]
    expires_at: float
    authorities: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsState:
    """The content of the files at one moment. *digest* is of all files, *authorities* of the client CAs alone."""

    context: ssl.SSLContext = field(repr=False)
    digest: bytes = field(repr=False)
    authorities: bytes | None = field(repr=False)
    serial: str
    expires_at: float
    authorities_expire_at: float

    def client_certificate(self, peercert: dict[str, object] | None) -> ClientCertificate | None:
        """Return the certificate in *peercert*, which `SSLObject.getpeercert` returned; None if there is none."""
        if self.authorities is None or not peercert:
            return None
        # A URI has a colon and a DNS name has none, so one cannot pass for the other.
        names: Any = peercert.get("subjectAltName", ())
        return ClientCertificate(
            names=frozenset(
                name.lower() if kind == "DNS" else name
                for kind, name in names
                if name.isascii()
                and (kind, ":" in name) in {("DNS", False), ("URI", True)}  # lower() turns the Kelvin sign into "k"
            ),
            expires_at=ssl.cert_time_to_seconds(str(peercert["notAfter"])),
            authorities=self.authorities,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """The files in the settings group *setting*. Reading them blocks."""

    setting: str
    certificate_file: str
    key_file: str
    client_ca_file: str | None = None

    def load(self) -> TlsState:
        """Return the content of the files. Raises `ConfigError` with every problem of all of them."""
        digest, now = self.digest(), time.time()
        problems: list[Problem] = []
        leaf: Leaf | None = None
        authorities: CaCertificates | None = None
        with self._reporting(problems, "certificate_file"):
            leaf = read_leaf(read_bounded(self.certificate_file, MAX_FILE_BYTES), now)
        with self._reporting(problems, "key_file"):
            check_key(read_bounded(self.key_file, MAX_FILE_BYTES), leaf)
        if self.client_ca_file is not None:
            with self._reporting(problems, "client_ca_file"):
                authorities = read_ca_certificates(read_bounded(self.client_ca_file, MAX_FILE_BYTES))
        if problems or leaf is None:
            raise ConfigError(problems)
        with self._reporting(problems, "certificate_file"):
            context = self._context(authorities)
            if self.digest() != digest:  # OpenSSL read the files itself, perhaps after a change
                raise BadFile("the files are changing", "start AuthGate again when they are complete")
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
        """Return a digest that changes when a file changes, becomes unreadable or becomes readable."""
        digest = hashlib.sha256()
        for path in (self.certificate_file, self.key_file, self.client_ca_file):
            try:
                content = b"content " + read_bounded(path, MAX_FILE_BYTES) if path is not None else b"none"
            except (OSError, ValueError) as error:
                content = f"error {error}".encode()
            digest.update(hashlib.sha256(content).digest())
        return digest.digest()

    def warnings(self, state: TlsState) -> list[str]:
        """Return a warning for each certificate of *state* that has expired or expires soon."""
        return [*self.expiries(state, time.time()).values()]

    def expiries(self, state: TlsState, now: float) -> dict[tuple[str, Stage], str]:
        """Return the warnings at *now*, by the file's setting and the stage, "soon" or "expired"."""
        warnings: dict[tuple[str, Stage], str] = {}
        for name, message, expires_at in (
            ("certificate_file", "the certificate", state.expires_at),
            ("client_ca_file", "a CA", state.authorities_expire_at),
        ):
            if sentence := expiry_warning(f"{self.setting}.{name}: {message}", expires_at, now):
                warnings[name, "soon" if expires_at > now else "expired"] = sentence
        return warnings

    def _context(self, authorities: CaCertificates | None) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = (
            ssl.TLSVersion.TLSv1_2
        )  # nginx before 1.23.4 does not offer TLS 1.3 to upstreams by default
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self.certificate_file, self.key_file, password=_no_passphrase)
        if authorities is not None:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the file may hold only an intermediate CA
            context.load_verify_locations(cadata=authorities.der)
            # OpenSSL does not verify the certificate of a resumed session again, so there are no tickets. Its TLS 1.2
            # session cache ends with the context, and every request checks whether the certificate has expired.
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0
        return context

    @contextmanager
    def _reporting(self, problems: list[Problem], name: str) -> Iterator[None]:
        """Add a problem to *problems* if the file in the setting *name* cannot be used."""
        message, fix = "", FIX_UNREADABLE
        try:
            yield
        except BadFile as bad:
            message, fix = bad.message, bad.fix
        except ssl.SSLError as error:
            message, fix = f"OpenSSL rejects it: {error.reason}", "make a new one as shown in docs/tls.md"
        except (OSError, ValueError) as error:  # ValueError: a path with NUL, or a file that is too long
            message = f"cannot read {shown_path(getattr(self, name))}: {unreadable_reason(error)}"
        if message:
            problems.append(Problem(setting=f"{self.setting}.{name}", message=message, fix=fix))


class WatchedTls:
    """The state for new connections: that of the current files, or the last usable state."""

    def __init__(
        self,
        files: TlsFiles,
        state: TlsState,
        *,
        timeout_seconds: float = READ_TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """*timeout_seconds* bounds one read of the files. *clock* returns Unix time."""
        self.current = state
        self.failure = ""
        self.failed_handshakes = 0
        self._files = files
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._reading = BlockingCall(self._load_newer)
        self._logged_expiries = {*files.expiries(state, clock())}  # logged at start

    def accepts(self, certificate: ClientCertificate) -> bool:
        """Return whether *certificate* has not expired and was verified with the current client CAs."""
        return certificate.expires_at > self._clock() and certificate.authorities == self.current.authorities

    async def poll(self) -> None:
        """Read the files and use them. If they are unusable, nothing changes, and `failure` says why.

        It compares contents, because file notifications do not pass through bind mounts.
        """
        failure, newer = "", None
        try:
            newer = await self._reading.result(self._timeout_seconds)
        except TimeoutError:
            failure = f"reading the certificate files takes longer than {self._timeout_seconds} s"
        except NoThread as error:
            failure = f"the certificate files cannot be read: {error}"
        except ConfigError as error:
            failure = "; ".join(f"{problem.setting}: {problem.message}" for problem in error.problems)
        except Exception as bug:  # noqa: BLE001 - a bug in reading stops neither the polling nor the service
            log_bug(bug)
            failure = "internal error"
        if failure and failure != self.failure:
            _log.warning("the new certificate cannot be used; AuthGate keeps the old one: %s", failure)
        self.failure = failure
        if newer is not None:
            self._replace(newer)
        self._warn()

    def _load_newer(self) -> TlsState | None:
        return None if self._files.digest() == self.current.digest else settled(self._files.load, "watched")

    def _replace(self, newer: TlsState) -> None:
        new_authorities = newer.authorities != self.current.authorities
        self.current = newer
        self._logged_expiries.clear()
        _log.info(
            "%s: new certificate with serial %s%s",
            self._files.setting,
            newer.serial,
            "; the client CAs changed, so connections with a client certificate are closed" if new_authorities else "",
        )

    def _warn(self) -> None:
        expiries = self._files.expiries(self.current, self._clock())
        for stage, sentence in expiries.items():
            if stage not in self._logged_expiries:
                _log.warning("%s", sentence)
        self._logged_expiries.update(expiries)


def _no_passphrase() -> NoReturn:
    # Without this function OpenSSL would ask for the passphrase on the terminal.
    raise BadFile("the private key is encrypted", "remove its passphrase")
