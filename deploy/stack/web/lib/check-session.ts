"use client";
import { goToSignIn } from "./api";
import { authClient } from "./auth-client";

const PAUSE_MS = 5_000; // a click into a window is two events, and Better Auth limits requests

let askedAt = -Infinity;
let timer: ReturnType<typeof setTimeout> | undefined;

/**
 * Ask Better Auth whether the session is still valid, at most once in 5 seconds. Once a day this moves the session's end
 * to 7 days from now: Better Auth writes the row and sets the cookie. If the session has ended, go to the sign-in page.
 */
export function checkSession(): void {
  timer ??= setTimeout(() => void ask(), askedAt + PAUSE_MS - performance.now());
}

async function ask(): Promise<void> {
  timer = undefined;
  askedAt = performance.now();
  const { data, error } = await authClient.getSession({ query: { disableCookieCache: true } });
  const hasEnded = error ? error.status === 401 : !data; // an outage signs nobody out
  if (hasEnded) await goToSignIn();
}
