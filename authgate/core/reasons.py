"""Why a request is refused. ONE table: replies, metric labels, logs and docs/reasons.md are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Fault(StrEnum):
    """Who has to act on a refusal."""

    CLIENT = "client"
    OPERATOR = "operator"
    OURS = "ours"


@unique
class Reason(StrEnum):
    """Names of refusals: stable, used as metric label and in replies."""

    UNREADABLE_REQUEST = "unreadable_request"
    UNTRUSTED_PROXY = "untrusted_proxy"
    NO_CREDENTIAL = "no_credential"
    AMBIGUOUS_CREDENTIAL = "ambiguous_credential"
    MALFORMED_TOKEN = "malformed_token"  # noqa: S105 - a name
    UNKNOWN_ISSUER = "unknown_issuer"
    UNKNOWN_KEY = "unknown_key"
    WRONG_ALGORITHM = "wrong_algorithm"
    BAD_SIGNATURE = "bad_signature"
    UNDECRYPTABLE_TOKEN = "undecryptable_token"  # noqa: S105 - a name
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_TYPE = "wrong_type"
    MISSING_CLAIM = "missing_claim"
    CLAIM_MISMATCH = "claim_mismatch"
    SESSION_NOT_FOUND = "session_not_found"
    BANNED_USER = "banned_user"
    ANONYMOUS_USER = "anonymous_user"
    CSRF = "csrf"
    HEADERS_TOO_LARGE = "headers_too_large"
    NO_POLICY = "no_policy"
    KEYS_UNAVAILABLE = "keys_unavailable"
    SESSIONS_UNAVAILABLE = "sessions_unavailable"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a reason means.

    *status* is the HTTP status for proxies that relay it; nginx gets it narrowed to 401, 403 or 503.
    *oauth_error* is the RFC 6750 §3.1 error code, or None where the RFC asks for none.
    *text* goes to the client: fixed words, never a value from the request. *fix* is for docs/reasons.md.
    """

    status: int
    oauth_error: str | None
    fault: Fault
    text: str
    fix: str


# RFC 6750 §3.1 pairs invalid_request with 400; forward-auth has to say 401 where a new credential helps,
# because nginx knows only 2xx, 401 and 403.
REASONS: dict[Reason, Refusal] = {
    Reason.UNREADABLE_REQUEST: Refusal(
        400, None, Fault.OPERATOR, "The request could not be read.",
        "The proxy's subrequest lacks a header, repeats one, or carries a look-alike (`X_User_Id`) of one. "
        "The log line names it and shows the lines to add to the proxy.",
    ),
    Reason.UNTRUSTED_PROXY: Refusal(
        403, None, Fault.OPERATOR, "The proxy is not trusted.",
        "The peer that asked AuthGate is not in `trusted_proxies`. Add the proxy's address or subnet, nothing wider.",
    ),
    Reason.NO_CREDENTIAL: Refusal(
        401, None, Fault.CLIENT, "No credential was sent.",
        "Sign in; or check that the client sends what `credentials` lists, and that the cookie's path and domain fit.",
    ),
    Reason.AMBIGUOUS_CREDENTIAL: Refusal(
        401, "invalid_request", Fault.CLIENT, "More than one credential was sent, and they disagree.",
        "Send one `Authorization` header. Same-named cookies: clear the old one left by a changed Domain or Path.",
    ),
    Reason.MALFORMED_TOKEN: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token is malformed.",
        "It is not what its place is for: a JWT in compact form (RFC 7515 §7.1) of 16 KiB at most whose claims have "
        "the right types, or a session cookie of the configured library, whole and unchanged. A session token in "
        "`Authorization` counts only with `bearer`.",
    ),
    Reason.UNKNOWN_ISSUER: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token's issuer is not accepted here.",
        "No configured issuer has exactly the token's `iss`. A trailing slash or http/https counts as different.",
    ),
    Reason.UNKNOWN_KEY: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token was signed with a key that is not known here.",
        "The token's `kid` is in none of the issuer's keys. Publish a key before signing with it, and until its last "
        "token has expired. `authgate keys` shows what the set holds, and which keys left it.",
    ),
    Reason.WRONG_ALGORITHM: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token's signature algorithm is not accepted.",
        "The header's `alg` is not in the issuer's `algorithms`, or is not the algorithm of the key (RFC 8725 §3.1).",
    ),
    Reason.BAD_SIGNATURE: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token's signature does not verify.",
        "Most often the two secrets differ: compare their fingerprints (docs/troubleshooting.md). Otherwise the token "
        "was changed, or signed with a key that its issuer does not publish.",
    ),
    Reason.UNDECRYPTABLE_TOKEN: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token cannot be decrypted.",
        "Most often the two secrets differ: compare their fingerprints (docs/troubleshooting.md). With Auth.js the "
        "cookie's name is part of the key, too. Otherwise the token was changed, or made under a secret that is no "
        "longer listed.",
    ),
    Reason.EXPIRED: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token has expired.",
        "Get a new token. If it is fresh, compare the clocks of the two machines. Cached session data lives for "
        "minutes: with `url` or `sessions` the session is looked up then.",
    ),
    Reason.NOT_YET_VALID: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token is not valid yet.",
        "`nbf` or `iat` lies further ahead than `leeway_seconds`: compare the clocks.",
    ),
    Reason.WRONG_AUDIENCE: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token is meant for another audience.",
        "Ask for a token with one of the issuer's configured `audiences`; the comparison is exact.",
    ),
    Reason.WRONG_TYPE: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token is of a type that is not accepted here.",
        "The header's `typ` says the token was made for another purpose (RFC 8725 §3.11). Send an access token.",
    ),
    Reason.MISSING_CLAIM: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token lacks a required claim.",
        "The issuer must put every claim of `required_claims` into the token (`sub` and `exp` by default). A session "
        "of Auth.js needs `sub`, which a jwt() callback can set.",
    ),
    Reason.CLAIM_MISMATCH: Refusal(
        401, "invalid_token", Fault.CLIENT, "The parts of the credential do not belong together.",
        "The session cookie and the data cookie beside it name different sessions, or the data is of another "
        "`cookie_cache_version`. Better Auth mends its cookies at the next request to it; with a session store "
        "(`sessions`) AuthGate asks that instead of refusing.",
    ),
    Reason.SESSION_NOT_FOUND: Refusal(
        401, "invalid_token", Fault.CLIENT, "There is no such session, or it has ended.",
        "The user signed out, the session expired, or it was revoked. If every session is refused: either no session "
        "store is configured and the front end caches no session data (set BETTER_AUTH_URL, or `url` or `sessions` of "
        "the issuer), or the store is not the one that the front end writes to.",
    ),
    Reason.BANNED_USER: Refusal(
        403, None, Fault.CLIENT, "The user is banned.",
        "The user's record says `banned`, and its `banExpires`, if any, lies ahead.",
    ),
    Reason.ANONYMOUS_USER: Refusal(
        403, None, Fault.CLIENT, "The user has not signed in with an account.",
        "The session is one of Better Auth's anonymous plugin. `anonymous: allow` lets such users in.",
    ),
    Reason.CSRF: Refusal(
        403, None, Fault.CLIENT, "The request comes from another site.",
        "A cookie came with an unsafe method or a WebSocket handshake from an origin not the request's own. "
        "Add the front end's origin to `csrf.allowed_origins` if it is yours.",
    ),
    Reason.HEADERS_TOO_LARGE: Refusal(
        403, None, Fault.OPERATOR, "The identity does not fit into the reply.",
        "All identity headers together exceed 8 KiB. Put less into the token, or map fewer claims in `headers`.",
    ),
    Reason.NO_POLICY: Refusal(
        403, None, Fault.OPERATOR, "No policy allows this request.",
        "No policy matches the request; what no policy names is refused.",
    ),
    Reason.KEYS_UNAVAILABLE: Refusal(
        503, None, Fault.OURS, "The keys to verify the token cannot be had right now.",
        "The token names a key that AuthGate does not hold, or its signature fails, and the URL or file of keys gives "
        "none or is too slow; the log and `authgate keys` say why. Nobody is signed out by this: the client may try "
        "again.",
    ),
    Reason.SESSIONS_UNAVAILABLE: Refusal(
        503, None, Fault.OURS, "The sessions cannot be looked up right now.",
        "The session store does not answer, is too slow, or asks for a pause; the log says why. Nobody is signed out "
        "by this: the client may try again.",
    ),
    Reason.INTERNAL_ERROR: Refusal(
        503, None, Fault.OURS, "AuthGate failed to decide.",
        "A bug: the log has the traceback. Please report it.",
    ),
}  # fmt: skip
