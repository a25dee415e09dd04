"""Preset `firebase`: Firebase Authentication and Google's Identity Platform. docs/issuers/firebase.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from authgate.config._outbound import redacted
from authgate.core.demands import Demand, Form, Traits, lists
from authgate.presets.other_kinds import OtherKind
from authgate.presets.provider import Facts, ProviderIssuer, Texts, anonymous_accounts, anonymous_advice, provider

if TYPE_CHECKING:
    from collections.abc import Iterator

# Older projects may belong to a domain: example.com:my-app.
_ID = r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"
_FIX = "copy the Project ID from Project settings, General"
# What people copy instead.
_OTHERS = {
    r"\d+": "is the number of a project",
    r"AIza.*": "is a Web API key",
    r"\d+:\d+:\w+:\w+": "is the ID of an app",
    r".+\.apps\.googleusercontent\.com": "is the ID of an OAuth client",
}
_HOSTS = r"(?:firebaseapp\.com|web\.app|appspot\.com|firebasestorage\.app)"
_WITHIN = re.compile(rf"(?:https?://)?(?:securetoken\.google\.com/({_ID})|({_ID})\.{_HOSTS})/?")

_SEND = "Send the result of `await user.getIdToken()` in Authorization."
_OTHER_KINDS = (
    OtherKind(
        claims={"iss": r"https://session\.firebase\.google\.com/.*"},
        sentence=f"The token is a session cookie of Firebase, which has other keys. {_SEND}",
    ),
    OtherKind(
        claims={"aud": r"https://identitytoolkit\.googleapis\.com/.*"},
        sentence="The token is a custom token of Firebase. A client can only sign in with it "
        f"(`signInWithCustomToken`). {_SEND}",
    ),
    OtherKind(
        claims={"iss": r"https://firebaseappcheck\.googleapis\.com/.*"},
        sentence=f"The token is one of Firebase App Check, which names an app and no user. {_SEND}",
    ),
    OtherKind(
        claims={"iss": r"(?:https://)?accounts\.google\.com"},
        sentence=f"The token is Google's own, with which a user signs in at Firebase. {_SEND}",
    ),
)


def _project_id(text: str) -> str:
    if found := _WITHIN.fullmatch(text):
        raise ValueError(f"{redacted(text)} is more than the ID of a project\nwrite {found[1] or found[2]}")
    for pattern, what in _OTHERS.items():
        if re.fullmatch(pattern, text):
            raise ValueError(f"{what}\n{_FIX}")
    if not re.fullmatch(_ID, text):
        raise ValueError(f"{redacted(text)} is not the ID of a project\n{_FIX}: lower-case letters, digits and hyphens")
    return text


_SIGN_IN_PROVIDER = ("firebase", "sign_in_provider")


class FirebaseIssuer(ProviderIssuer):
    """ID tokens of Firebase Authentication, which are what its users send to servers."""

    asks: ClassVar[tuple[str, ...]] = ("project_id",)
    issuer_settings: ClassVar[tuple[str, ...]] = ("project_id",)

    preset: Literal["firebase"]
    """firebase: the issuer is a project of Firebase or of Google's Identity Platform."""
    project_id: Annotated[str, AfterValidator(_project_id), Field(examples=["my-app-1234"])]
    """The Project ID. It is the `aud` of the project's tokens and a part of their `iss`."""
    tenants: Texts | None = None
    """The IDs of the tenants whose users are accepted (claim firebase.tenant). Default: all users of the project."""
    anonymous: Literal["refuse", "allow"] = "refuse"
    """Whether to allow users who signed in anonymously."""
    accept: Literal["access_token", "id_token", "any"] = "id_token"
    """Firebase issues only ID tokens. Write any if your custom claims have the name scope or scp."""

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        demands = [Demand(paths=(_SIGN_IN_PROVIDER,), accepted=(), form=Form(r".{1,128}", "a text"), fixed=True)]
        if self.tenants is not None:
            demands.append(lists("tenants", "firebase.tenant", accepted=self.tenants))
        return Facts(
            issuer=f"https://securetoken.google.com/{self.project_id}",
            # The same keys sign for every project, and the metadata of any name leads to them.
            jwks_url="https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
            audiences=[self.project_id],
            algorithms=["RS256"],
            identity={"organization": ["firebase.tenant"], "amr": ["firebase.sign_in_second_factor"]},
            demands=demands,
            traits=Traits(flags=(("is_anonymous", _SIGN_IN_PROVIDER, "anonymous"),)),
            other_kinds=_OTHER_KINDS,
        )

    def advice(self) -> Iterator[str]:
        """Yield what is probably not meant."""
        return anonymous_advice(self)


PRESET = provider(FirebaseIssuer, "Firebase", refused_accounts=anonymous_accounts)
