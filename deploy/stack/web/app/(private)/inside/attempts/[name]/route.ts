// Makes one attempt of the page /inside for the signed-in visitor.
import { ATTEMPTS } from "@/lib/inside/attempts";
import { outcome } from "@/lib/inside/judge";
import { inTurn } from "@/lib/inside/turns";
import { visitor } from "@/lib/inside/visitor";
import { session } from "@/lib/session";

const NO_STORE = { "Cache-Control": "no-store" };

export async function POST(request: Request, { params }: { params: Promise<{ name: string }> }) {
  if (!isFromThisSite(request)) return problem(403, "The request comes from another site.");
  const current = await session();
  if (!current) return problem(401, "You are not signed in.");
  const { name } = await params;
  const attempt = ATTEMPTS.find((known) => known.name === name);
  if (!attempt) return problem(404, "There is no such attempt.");
  const self = visitor(current, request.headers.get("cookie") ?? "");
  try {
    const made = await inTurn(self.user.id, attempt.isSlow ?? false, () => outcome(attempt, self, request.signal));
    return made
      ? Response.json(made, { headers: NO_STORE })
      : problem(429, "Another attempt is still running. Try again in a moment.");
  } catch (error) {
    if (!request.signal.aborted) console.error(`Attempt ${name}: ${String(error)}`);
    const isSlow = error instanceof Error && error.name === "TimeoutError";
    return isSlow
      ? problem(504, "The proxy did not answer in time.")
      : problem(502, "The attempt failed. Try again in a moment.");
  }
}

/** AuthGate refuses other sites, too. This also refuses a request without Origin, which browsers send with every POST. */
function isFromThisSite(request: Request): boolean {
  const origin = request.headers.get("origin") ?? "";
  return URL.canParse(origin) && new URL(origin).host === request.headers.get("host");
}

function problem(status: number, detail: string): Response {
  const headers = { ...NO_STORE, "Content-Type": "application/problem+json" };
  return new Response(JSON.stringify({ title: detail, status, detail }), { status, headers });
}
