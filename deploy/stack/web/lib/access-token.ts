// The JWT path, for callers that cannot send cookies: get a token for the session, send it as Bearer, renew it before it
// expires. The page /token does so in a browser, scripts/call-api.ts without one.

export interface AccessToken {
  value: string;
  /** Unix seconds, by the issuer's clock. */
  expiresAt: number;
  /** When to fetch the next one, by the clock of performance.now(): this machine's may be wrong. */
  renewAt: number;
}

/** Return what *token* says of its life. It is read, not verified: that is AuthGate's work. */
function accessToken(token: string): AccessToken {
  const [, payload = ""] = token.split(".");
  const claims = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/"))) as { iat: number; exp: number };
  return { value: token, expiresAt: claims.exp, renewAt: performance.now() + (claims.exp - claims.iat) * 750 };
}

/** Whether three quarters of its life are over: the time to fetch the next one, while this one still counts. */
export function isDue(token: AccessToken): boolean {
  return performance.now() >= token.renewAt;
}

/** Fetch a new token from Better Auth, of the front end at *base* (this one); null where the session is over. */
export async function fetchAccessToken(base = "", headers?: HeadersInit): Promise<AccessToken | null> {
  const url = `${base}/api/auth/token`;
  const response = await fetch(url, { headers, cache: "no-store", signal: AbortSignal.timeout(10_000) });
  if (response.status === 401) return null;
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return accessToken(((await response.json()) as { token: string }).token);
}
