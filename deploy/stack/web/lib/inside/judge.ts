// Turns an answer into what the page shows: what it means, and whether it is the one that attempts.ts expects.
import type { Attempt } from "./attempts";
import { curl } from "./curl";
import type { Header, Outcome } from "./outcome";
import type { Answer } from "./send";
import type { Visitor } from "./visitor";

type Seen = readonly Header[];

// AuthGate's reasons that the attempts meet. For any other the page shows the answer's own words.
const MEANINGS: Record<string, string> = {
  no_credential: "The request does not say who sends it.",
  expired: "The token has expired.",
  bad_signature: "The signature does not fit these claims.",
  malformed_token: "This is not a signed token.",
  session_not_found: "The session has ended.",
  csrf: "Another site used your cookie.",
  ambiguous_path: "Two servers could read this path in different ways.",
  forbidden: "AuthGate knows who you are, and you may not open this.",
};

// The reasons that nginx gives by itself (authgate_http.conf). Traefik gives none.
const PROXYS_REASONS = ["ambiguous_path", "unreadable_request", "authgate_unreachable"];

/** Make *attempt* for *visitor*, and return what the page shows. Throw if the visitor is *leaving* the page. */
export async function outcome(attempt: Attempt, visitor: Visitor, leaving: AbortSignal): Promise<Outcome> {
  const sent = await attempt.make(visitor, leaving);
  const { answer } = sent;
  const expected = attempt.expected(visitor);
  const problem = problemOf(answer);
  const reason = header(answer, "x-authgate-reason") ?? problem.reason ?? null;
  const seen = reason === null ? seenBy(answer) : null;
  const ids = seen?.filter(isUserId).map(([, value]) => decoded(value)) ?? [];
  const isForeign = ids.some((id) => id !== visitor.user.id);
  const asExpected =
    expected.status.includes(answer.status) &&
    expected.reasons.includes(reason) &&
    !isForeign &&
    (ids.length > 0 || !expected.isIdentified);
  return {
    name: attempt.name,
    curl: curl(sent.planned),
    status: answer.status,
    reason,
    isFromProxy: seen === null && (reason === null || PROXYS_REASONS.includes(reason)),
    requestId:
      header(answer, "x-request-id") ?? seen?.find(([name]) => name === "x-request-id")?.[1] ?? problem.request_id ?? null,
    milliseconds: Math.ceil(answer.milliseconds),
    seen,
    meaning: isForeign
      ? "The service saw an id that is not yours."
      : (sent.meaning ?? meaningOf(reason, problem) ?? (asExpected ? expected.meaning : undefined) ?? unexplained(seen)),
    stoppedBy: asExpected ? expected.stoppedBy : stoppedUnexpectedly(reason, seen),
    asExpected,
  };
}

function meaningOf(reason: string | null, problem: Problem): string | undefined {
  return reason === null ? undefined : (MEANINGS[reason] ?? problem.detail);
}

function unexplained(seen: Seen | null): string {
  return seen ? "AuthGate let the request pass." : "This answer does not come from AuthGate.";
}

function stoppedUnexpectedly(reason: string | null, seen: Seen | null): string | null {
  if (seen) return null;
  return reason === null ? "Something other than AuthGate refused it." : "AuthGate refused it, but not for the expected reason.";
}

interface Problem {
  reason?: string;
  detail?: string;
  request_id?: string;
}

function problemOf(answer: Answer): Problem {
  return header(answer, "content-type")?.startsWith("application/problem+json") ? (JSON.parse(answer.body) as Problem) : {};
}

/** Return the headers that the service saw; nothing if it does not show them; null if the proxy gave the answer. */
function seenBy(answer: Answer): Seen | null {
  if (answer.status >= 400 && answer.status !== 404) return null;
  if (!header(answer, "content-type")?.startsWith("application/json")) return [];
  return (JSON.parse(answer.body) as { headers?: Seen }).headers ?? [];
}

/** Whether a server may read the header as X-User-Id: some read "_" as "-". */
function isUserId([name]: Header): boolean {
  return name.toLowerCase().replaceAll("_", "-") === "x-user-id";
}

/** Return the id in a header. AuthGate percent-encodes what a header cannot carry, which ids of imported users may have. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value; // not AuthGate's
  }
}

function header({ headers }: Answer, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}
