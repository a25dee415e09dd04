import { auth } from "./auth";

const JWT_PATH = "/api/auth/token"; // what it calls `token` is a JWT, and no session token

/**
 * Return Better Auth's answer to *request*, without the raw tokens of sessions that several endpoints add. The browser has
 * its own in a cookie that no script can read, and no page needs another's. If AuthGate asks get-session (`sessions.http`),
 * let that path keep `session.token`: AuthGate compares it.
 */
export async function answer(request: Request): Promise<Response> {
  const response = await auth().handler(request);
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  if (!isJson || new URL(request.url).pathname === JWT_PATH) return response;
  const body = await response.text();
  return new Response(body ? withoutTokens(body) : null, response); // Better Auth's redirects are JSON without a body
}

function withoutTokens(json: string): string {
  return JSON.stringify(JSON.parse(json, (key, value: unknown) => (key === "token" ? undefined : value)));
}
