"""The reasons for which AuthGate refuses requests. Replies, metric labels, logs and docs/reasons.md use this table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Fault(StrEnum):
    """Who has to act after a refusal."""

    CLIENT = "client"
    OPERATOR = "operator"
    OURS = "ours"


@unique
class Reason(StrEnum):
    """The codes of refusals. They are stable: metric labels and replies use them."""

    UNREADABLE_REQUEST = "unreadable_request"
    UNTRUSTED_PROXY = "untrusted_proxy"
    NO_CREDENTIAL = "no_credential"
    AMBIGUOUS_CREDENTIAL = "ambiguous_credential"
    MALFORMED_TOKEN = "malformed_token"  # noqa: S105 - the name of a reason
    UNKNOWN_ISSUER = "unknown_issuer"
    UNKNOWN_KEY = "unknown_key"
    WRONG_ALGORITHM = "wrong_algorithm"
    BAD_SIGNATURE = "bad_signature"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    UNDECRYPTABLE_TOKEN = "undecryptable_token"  # noqa: S105 - the name of a reason
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_TYPE = "wrong_type"
    MISSING_CLAIM = "missing_claim"
    WRONG_CLAIM = "wrong_claim"
    CLAIM_MISMATCH = "claim_mismatch"
    SESSION_NOT_FOUND = "session_not_found"
    FOREIGN_SUBJECT = "foreign_subject"
    BANNED_USER = "banned_user"
    ANONYMOUS_USER = "anonymous_user"
    FORBIDDEN = "forbidden"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    INSUFFICIENT_USER_AUTHENTICATION = "insufficient_user_authentication"
    CSRF = "csrf"
    HEADERS_TOO_LARGE = "headers_too_large"
    NO_POLICY = "no_policy"
    AMBIGUOUS_PATH = "ambiguous_path"
    KEYS_UNAVAILABLE = "keys_unavailable"
    SESSIONS_UNAVAILABLE = "sessions_unavailable"
    OVERLOADED = "overloaded"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a reason means.

    *status* is the HTTP status for proxies that relay it; for nginx it is narrowed to 401, 403 or 503. *oauth_error* is
    the error code of RFC 6750 §3.1, or None if the RFC requires none. *text* is for the client: it never contains a
    value from the request. *fix* is for the operator: `authgate explain` and docs/reasons.md show it.
    """

    status: int
    oauth_error: str | None
    fault: Fault
    text: str
    fix: str


# RFC 6750 §3.1 pairs invalid_request with 400. Forward-auth must answer 401 if a new credential helps, because nginx
# accepts only 2xx, 401 and 403.
REASONS: dict[Reason, Refusal] = {
    Reason.UNREADABLE_REQUEST: Refusal(
        400, None, Fault.OPERATOR, "The request could not be read.",
        "The proxy's subrequest lacks a header, repeats one, or has one with a similar name (`X_User_Id`). The log "
        "line names the header and shows what to change at the proxy.",
    ),
    Reason.UNTRUSTED_PROXY: Refusal(
        403, None, Fault.OPERATOR, "The proxy is not trusted.",
        "The peer that sent the subrequest is not in `trusted_proxies`. Add the address or subnet of your proxy, and "
        "nothing wider.",
    ),
    Reason.NO_CREDENTIAL: Refusal(
        401, None, Fault.CLIENT, "No credential was sent.",
        "Sign in. If the user is signed in, check that the client sends one of the headers or cookies that AuthGate "
        "reads (`credentials` and the session cookies; the log line lists them), and that the cookie's domain and path "
        "fit the request.",
    ),
    Reason.AMBIGUOUS_CREDENTIAL: Refusal(
        401, "invalid_request", Fault.CLIENT, "The request has conflicting credentials.",
        "Send one `Authorization` header. If two cookies with the same name conflict, delete the old one: a change of "
        "the cookie's Domain or Path leaves it in the browser. A request may have at most 600 cookies, and all of "
        "one name together 16 KiB.",
    ),
    Reason.MALFORMED_TOKEN: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token is malformed.",
        "The token must be a JWT in compact form (RFC 7515 §7.1) with claims of the right types, or a complete, "
        "unchanged session cookie of the configured library. It may have at most 16 KiB. A session token in "
        "`Authorization` is accepted only if `bearer` allows it.",
    ),
    Reason.UNKNOWN_ISSUER: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token's issuer is not accepted.",
        "No configured issuer has exactly the token's `iss`. A trailing slash, or http instead of https, makes a "
        "difference.",
    ),
    Reason.UNKNOWN_KEY: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token was signed with an unknown key.",
        "The issuer has no key with the token's `kid`. Publish a key before you sign with it, and keep it published "
        "until its last token has expired. `authgate keys` shows the keys in the key set and the ones that left it.",
    ),
    Reason.WRONG_ALGORITHM: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token's signature algorithm is not accepted.",
        "The `alg` in the token's header is not in the issuer's `algorithms`, or is not the algorithm of the key "
        "(RFC 8725 §3.1).",
    ),
    Reason.BAD_SIGNATURE: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token's signature is invalid.",
        "None of AuthGate's keys made this signature. If it is made with a secret, compare the fingerprints of both "
        "sides (docs/troubleshooting.md). Otherwise the token was changed, or signed with a key that its issuer does "
        "not publish.",
    ),
    Reason.TOO_MANY_ATTEMPTS: Refusal(
        401, "invalid_request", Fault.CLIENT, "The request has tokens that too many keys fit.",
        "AuthGate tries at most 8 public keys for a request. Usually it has several cookies of one name: delete the "
        "old ones. If the issuer writes the key's `kid` into its tokens, each token fits one key.",
    ),
    Reason.UNDECRYPTABLE_TOKEN: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token cannot be decrypted.",
        "None of AuthGate's keys decrypts the token. Compare the fingerprints of the secrets of both sides "
        "(docs/troubleshooting.md). With Auth.js the key also depends on the cookie's name. Otherwise the token was "
        "changed, or encrypted under a secret that is no longer configured.",
    ),
    Reason.EXPIRED: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token has expired.",
        "Get a new token. If the token is new, compare the clocks of both machines. Session data in a cookie expires "
        "after some minutes; if `url` or `sessions` is set, AuthGate then looks up the session.",
    ),
    Reason.NOT_YET_VALID: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token is not valid yet.",
        "`nbf` or `iat` is more than `leeway_seconds` in the future. Compare the clocks of both machines.",
    ),
    Reason.WRONG_AUDIENCE: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token is meant for another audience.",
        "Request a token for one of the issuer's configured `audiences`. The comparison is exact.",
    ),
    Reason.WRONG_TYPE: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token's type is not accepted.",
        "The token's `typ` or its claims say that it was made for another purpose (RFC 8725 §3.11, §3.12). Send an "
        "access token. If the issuer's ID tokens are what you have, set `accept` (docs/formats/jwt.md).",
    ),
    Reason.MISSING_CLAIM: Refusal(
        401, "invalid_token", Fault.CLIENT, "The token lacks a required claim.",
        "The issuer must put every claim of `required_claims` (by default `exp`) and `require_claims` into its tokens, "
        "and the user's id: `sub`, unless `identity` or the header X-User-Id names another claim. The preset of an "
        "identity provider demands further claims (docs/issuers).",
    ),
    Reason.WRONG_CLAIM: Refusal(
        401, "invalid_token", Fault.CLIENT, "A claim of the token has a value that is not accepted.",
        "Request a token with the values that `require_claims`, or the preset of an identity provider, demands: for "
        'this client, for this use. The comparison is exact, types included: 1 is not true, and "true" is not true.',
    ),
    Reason.CLAIM_MISMATCH: Refusal(
        401, "invalid_token", Fault.CLIENT, "The parts of the credential do not belong together.",
        "The session cookie and the data cookie name different sessions, or the data cookie has another "
        "`cookie_cache_version`. Better Auth corrects its cookies on the next request to it. With a session store "
        "(`sessions`), AuthGate asks the store instead of refusing.",
    ),
    Reason.SESSION_NOT_FOUND: Refusal(
        401, "invalid_token", Fault.CLIENT, "The session does not exist or has ended.",
        "The user signed out, or the session expired or was revoked. If every session is refused, there are two likely "
        "causes. Either AuthGate has no session store and the front end caches no session data: set BETTER_AUTH_URL, "
        "or `url` or `sessions` of the issuer. Or the session store is not the one that the front end writes to.",
    ),
    Reason.FOREIGN_SUBJECT: Refusal(
        403, None, Fault.OPERATOR, "The user's id belongs to another issuer.",
        "The issuer has no `subject_prefix`, and the id of its user begins with that of another issuer, whose users "
        "alone may have such ids. If these ids are right, give one of the two issuers another `subject_prefix`.",
    ),
    Reason.BANNED_USER: Refusal(
        403, None, Fault.CLIENT, "The user is banned.",
        "The user's record has `banned` set, and its `banExpires`, if any, is in the future.",
    ),
    Reason.ANONYMOUS_USER: Refusal(
        403, None, Fault.CLIENT, "Anonymous users are not accepted.",
        "The user signed in anonymously, without an account. Set the issuer's `anonymous: allow` to accept such users.",
    ),
    Reason.FORBIDDEN: Refusal(
        403, None, Fault.CLIENT, "The user is not allowed to do this.",
        "The user is known, and the policy asks for more. The log line names the policy and the rule. `authgate "
        "explain` shows both values that the rule compared.",
    ),
    Reason.INSUFFICIENT_SCOPE: Refusal(
        403, "insufficient_scope", Fault.CLIENT, "The token lacks a scope.",
        "Request a token with the scopes that `WWW-Authenticate` names (RFC 6750 §3.1). They are those of the policy's "
        "`scopes: {all_of}`.",
    ),
    Reason.INSUFFICIENT_USER_AUTHENTICATION: Refusal(
        401, "insufficient_user_authentication", Fault.CLIENT, "The user signed in too long ago.",
        "Let the user sign in again. `max_age` in `WWW-Authenticate` says how many seconds ago at most (RFC 9470). The "
        "policy sets it with `authenticated_within_seconds`.",
    ),
    Reason.CSRF: Refusal(
        403, None, Fault.CLIENT, "The request comes from another site.",
        "A request with a cookie, or with a header that a proxy in front fills from its cookie, used an unsafe method "
        "or opened a WebSocket, and came from an origin other than its own. If that origin is your front end, add it "
        "to `csrf.allowed_origins`.",
    ),
    Reason.HEADERS_TOO_LARGE: Refusal(
        403, None, Fault.OPERATOR, "The user's identity headers are too large.",
        "All identity headers together exceed 8 KiB. Put less into the token, or map fewer claims in `headers`.",
    ),
    Reason.NO_POLICY: Refusal(
        403, None, Fault.OPERATOR, "No policy allows this request.",
        "AuthGate refuses every request that no policy matches. Add a policy for it, or change what a policy matches. "
        "`authgate explain --policy METHOD URL` shows why each policy does not match.",
    ),
    Reason.AMBIGUOUS_PATH: Refusal(
        400, None, Fault.CLIENT, "The path can be read in more than one way.",
        "Servers read the path in different ways, so the proxy and the service might disagree about what it names. "
        "Send it without encoded slashes, semicolons, backslashes, dot segments, empty segments and double encoding. "
        "If your paths hold slashes or semicolons as data, set `paths` (docs/policies.md). A path may have at most "
        "8,192 characters.",
    ),
    Reason.KEYS_UNAVAILABLE: Refusal(
        503, None, Fault.OURS, "The keys that verify the token are not available right now.",
        "The token names a key that AuthGate does not have, or its signature is invalid, and loading the issuer's keys "
        "fails or takes too long. The log and `authgate keys` show the cause. This signs nobody out: the client can "
        "try again.",
    ),
    Reason.SESSIONS_UNAVAILABLE: Refusal(
        503, None, Fault.OURS, "The session cannot be looked up right now.",
        "The session store does not answer, is too slow, or asks AuthGate to wait. Or too many requests from the "
        "client's address wait for it. The log shows the cause. This signs nobody out: the client can try again.",
    ),
    Reason.OVERLOADED: Refusal(
        503, None, Fault.OURS, "Too many requests are waiting right now.",
        "More decisions wait for keys and session stores than `limits.decisions_in_flight` allows, and the client's "
        "address has the most of them. Either a session store or an issuer is slow, or somebody sends many made-up "
        "tokens: the metrics show which (docs/sessions.md). This signs nobody out: the client can try again.",
    ),
    Reason.INTERNAL_ERROR: Refusal(
        503, None, Fault.OURS, "AuthGate failed because of an internal error.",
        "This is a bug in AuthGate. The log has the traceback. Please report it.",
    ),
}  # fmt: skip
