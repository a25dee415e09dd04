"""Keys by URL: a JWK Set at a configured address, or at the address in the issuer's metadata."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from authgate.blocking import NoThread, in_daemon_thread
from authgate.keysources import NO_KEYS, Loaded, LoadFailed, NotOffered
from authgate.keysources.fetch import Fetcher
from authgate.tokens import discovery, jwk

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate.core.keys import KeySet
    from authgate.keysources.fetch import Route

T = TypeVar("T")


class JwksUrlSource:
    """A JWK Set at a configured URL."""

    def __init__(self, url: str, route: Route, allowed: frozenset[str], *, presumed: bool = False) -> None:
        """*allowed* are the algorithms that the issuer accepts.

        *presumed*: the URL was derived from another setting, so it may have no key set (`NotOffered`).
        """
        self.where = url
        self._presumed = presumed
        self._fetcher = Fetcher(route)
        self._document = _JwksDocument(self._fetcher, allowed)

    def read(self) -> KeySet:
        """Return no keys, because they must be fetched."""
        return NO_KEYS

    async def load(self) -> Loaded:
        """Return the keys of the set; None as keys if they are the same as in the last load."""
        try:
            return await self._document.load(self.where)
        except NotOffered as absent:
            if self._presumed:
                raise
            raise LoadFailed(str(absent)) from None


class DiscoverySource:
    """The JWK Set whose address is in the issuer's metadata (OpenID Connect Discovery, RFC 8414).

    The metadata is fetched at every load, so a changed address is used, and a wrong answer has no lasting effect.
    """

    def __init__(self, issuer: str, route: Route, allowed: frozenset[str]) -> None:
        """*issuer* is the exact `iss`. The addresses of the metadata are derived from it."""
        self.where = f"discovery of {issuer}"
        self._issuer = issuer
        self._fetcher = Fetcher(route)
        self._document = _JwksDocument(self._fetcher, allowed)
        self._urls: tuple[str, ...] = discovery.metadata_urls(issuer)

    def read(self) -> KeySet:
        """Return no keys, because they must be fetched."""
        return NO_KEYS

    async def load(self) -> Loaded:
        """Return the keys of the set that the metadata names; None as keys if they have not changed."""
        found_at, url = await self._jwks_uri()
        try:
            loaded = await self._document.load(url, found_at=found_at)
        except LoadFailed as failed:
            raise LoadFailed(f"{failed} (the jwks_uri of {found_at})") from None
        self.where = f"{url}, by discovery of {self._issuer}"
        return loaded

    async def _jwks_uri(self) -> tuple[str, str]:
        """Return the URL of the metadata and the `jwks_uri` in it. The URL that worked last time is tried first."""
        failures = []
        for found_at in self._urls:
            try:
                metadata = await self._fetcher.get(found_at)
                url = await _in_thread(partial(discovery.jwks_uri, metadata.body or b"", self._issuer))
            except LoadFailed as failed:
                failures.append(str(failed))
            except discovery.BadMetadata as error:  # many servers answer every path with 200 and their home page
                failures.append(f"{found_at}: {error}")
            else:
                self._urls = (found_at, *(other for other in self._urls if other != found_at))
                return found_at, url
        raise LoadFailed("; ".join(failures))


class _JwksDocument:
    """A JWK Set by URL, with the entity tag and the digest of its last version."""

    def __init__(self, fetcher: Fetcher, allowed: frozenset[str]) -> None:
        self._fetcher = fetcher
        self._parse: Callable[[bytes], KeySet] = partial(jwk.from_jwks, allowed=allowed, public_only=True)
        self._url = ""
        self._etag: str | None = None
        self._digest = b""

    async def load(self, url: str, *, found_at: str | None = None) -> Loaded:
        response = await self._fetcher.get(url, etag=self._etag if url == self._url else None, found_at=found_at)
        if response.body is None:
            self._etag = response.etag
            return Loaded(keys=None, fresh_seconds=response.fresh_seconds)
        digest = hashlib.sha256(response.body).digest()
        keys = None
        if digest != self._digest:
            try:
                keys = await _in_thread(partial(self._parse, response.body))
            except jwk.BadKey as error:
                raise LoadFailed(f"{url}: {error}") from None
        self._url, self._etag, self._digest = url, response.etag, digest
        return Loaded(keys=keys, fresh_seconds=response.fresh_seconds)


async def _in_thread(parse: Callable[[], T]) -> T:
    """Return what *parse* returns. It takes tens of milliseconds, for which no request may wait."""
    try:
        return await in_daemon_thread(parse)
    except NoThread as error:
        raise LoadFailed(f"the response cannot be read: {error}") from None
