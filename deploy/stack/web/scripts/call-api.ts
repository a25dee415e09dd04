// Calls the API without a browser: signs in, then sends a JWT and renews it before it expires.
//
//   APP_URL=http://localhost:8080 EMAIL=… PASSWORD=… node deploy/stack/web/.next/standalone/call-api.mjs [SECONDS]
//
// It requests a page of tasks once a second, SECONDS times (default: 1), and prints each answer. It may run for days. Each
// new JWT comes from Better Auth, which renews the session once a day. If the session has ended, it signs in again.
import { type AccessToken, fetchAccessToken, isDue } from "../lib/access-token";
import { setting } from "../lib/environment";
import { Cookies } from "./cookies";

const app = new URL(setting("APP_URL") || "http://localhost:8080").origin;
const site = new Cookies();
let token: AccessToken | undefined;

/** Trying again does not help: the password is wrong, or the account is banned. */
class Refused extends Error {}

async function signIn(): Promise<void> {
  for (const name of ["EMAIL", "PASSWORD"]) if (!setting(name)) throw new Refused(`${name} is not set`);
  const response = await site.fetch(`${app}/api/auth/sign-in/email`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Origin: app },
    body: JSON.stringify({ email: setting("EMAIL"), password: setting("PASSWORD") }),
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) {
    const isRefused = response.status < 500 && response.status !== 429;
    throw new (isRefused ? Refused : Error)(`sign-in failed with ${response.status}: ${await response.text()}`);
  }
  console.log("signed in");
}

async function newToken(): Promise<AccessToken> {
  let fetched = await fetchAccessToken(app, site.fetch);
  if (!fetched) {
    await signIn(); // for the first time, or because the session has ended
    fetched = await fetchAccessToken(app, site.fetch);
  }
  if (!fetched) throw new Error("the session ended at once");
  console.log(`new token, expires ${new Date(fetched.expiresAt * 1000).toISOString()}`);
  return fetched;
}

async function validToken(): Promise<AccessToken> {
  if (!token) return newToken();
  if (!isDue(token)) return token;
  try {
    return await newToken();
  } catch (error) {
    report(error); // the current one is valid for a while
    return token;
  }
}

async function callApi(): Promise<void> {
  token = await validToken();
  const response = await fetch(`${app}/api/v1/tasks`, {
    headers: { Authorization: `Bearer ${token.value}` },
    signal: AbortSignal.timeout(10_000),
  });
  console.log(response.status, await response.text());
  if (response.status === 401) token = undefined; // it has expired, or the keys have changed
}

/** Print *error*, unless trying again does not help. */
function report(error: unknown): void {
  if (error instanceof Refused || !(error instanceof Error)) throw error;
  console.error(error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message);
}

process.on("uncaughtException", (error) => {
  console.error(error.message);
  process.exit(1);
});

for (let left = Number(process.argv[2] ?? 1); left > 0; left--) {
  try {
    await callApi();
    process.exitCode = 0;
  } catch (error) {
    report(error);
    process.exitCode = 1;
  }
  if (left > 1) await new Promise((resolve) => setTimeout(resolve, 1000));
}
