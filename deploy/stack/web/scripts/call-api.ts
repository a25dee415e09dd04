// Calls the API without a browser: signs in once, then sends a JWT and renews it before it expires.
//
//   APP_URL=http://localhost:8080 EMAIL=… PASSWORD=… node deploy/stack/web/.next/standalone/call-api.mjs [SECONDS]
//
// It requests a page of tasks once a second, SECONDS times (default: 1), and prints each answer.
import { type AccessToken, fetchAccessToken, isDue } from "../lib/access-token";
import { setting } from "../lib/environment";

process.on("uncaughtException", (error) => {
  console.error(error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message);
  process.exit(1);
});
const app = new URL(setting("APP_URL") || "http://localhost:8080").origin;

async function signIn(): Promise<string> {
  for (const name of ["EMAIL", "PASSWORD"]) if (!setting(name)) throw new Error(`${name} is not set`);
  const response = await fetch(`${app}/api/auth/sign-in/email`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Origin: app },
    body: JSON.stringify({ email: setting("EMAIL"), password: setting("PASSWORD") }),
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw new Error(`sign-in failed with ${response.status}: ${await response.text()}`);
  return response.headers
    .getSetCookie()
    .map((line) => line.split(";")[0])
    .join("; ");
}

const cookie = await signIn();
let token: AccessToken | null = null;
for (let left = Number(process.argv[2] ?? 1); left > 0; left--) {
  if (!token || isDue(token)) {
    token = await fetchAccessToken(app, { Cookie: cookie });
    if (!token) throw new Error("the session has ended: sign in again");
    console.log(`new token, expires ${new Date(token.expiresAt * 1000).toISOString()}`);
  }
  const response = await fetch(`${app}/api/v1/tasks`, {
    headers: { Authorization: `Bearer ${token.value}` },
    signal: AbortSignal.timeout(10_000),
  });
  console.log(response.status, await response.text());
  if (response.status === 401) token = null; // refused before it expired, for example after a change of keys
  if (left > 1) await new Promise((resolve) => setTimeout(resolve, 1000));
}
