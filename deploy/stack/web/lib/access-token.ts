// The JWT path, for callers that cannot send cookies: get a token for the session, send it as Bearer, renew it before it
// expires. scripts/call-api.mjs does the same without a browser.

export interface AccessToken {
  value: string;
  /** Unix seconds. */
  issuedAt: number;
  expiresAt: number;
}

/** Return the claims that say how long *token* counts. They are read, not verified: that is AuthGate's work. */
export function accessToken(token: string): AccessToken {
  const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
  const { iat, exp } = JSON.parse(atob(payload)) as { iat: number; exp: number };
  return { value: token, issuedAt: iat, expiresAt: exp };
}

/** Whether a quarter of its life, or less, is left: the time to fetch the next one, while this one still counts. */
export function isDue(token: AccessToken, now: number = Date.now() / 1000): boolean {
  return token.expiresAt - now < (token.expiresAt - token.issuedAt) / 4;
}

/** Fetch a new token from Better Auth; null where the session is over. */
export async function fetchAccessToken(): Promise<AccessToken | null> {
  const response = await fetch("/api/auth/token", { cache: "no-store", signal: AbortSignal.timeout(10_000) });
  if (response.status === 401) return null;
  if (!response.ok) throw new Error(`/api/auth/token answered ${response.status}`);
  return accessToken(((await response.json()) as { token: string }).token);
}
