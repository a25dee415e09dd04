"""What messages, warnings and hints say about the JWTs of an issuer. A preset that knows more replaces it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from authgate.core.claim_paths import ClaimPath


class Guidance:
    """The words for issuers that nothing more is known of. None of it decides about a token."""

    # The settings that `issuer` follows from. A problem with it is reported at the first.
    issuer_settings: ClassVar[tuple[str, ...]] = ("issuer",)
    # What to write if `audiences` is missing.
    audiences_fix: ClassVar[str] = (
        "list the `aud` values of your API's tokens, or write audiences: any to accept tokens for others too"
    )
    # What to do if a token was signed with a shared secret, and if it is not a JWT at all, in whole sentences.
    hs256_fix: ClassVar[str] = "If your own service makes such tokens, give its secret in an issuer of its own."
    jwt_fix: ClassVar[str] = (
        "Ask the issuer for a token for your API: many send a JWT only if the client names the API when it asks, for "
        "example in the parameter `audience` or `resource`."
    )

    @property
    def user_claims(self) -> tuple[str, ...]:
        """The names of claims that users may write, with `*` for any characters."""
        return ()

    def may_be_written_by_users(self, path: ClaimPath) -> bool:
        """Whether users may write the claim at *path* themselves."""
        return any(fnmatchcase(name, pattern) for name in path for pattern in self.user_claims)
