// JWTs, for callers that cannot send cookies: get a token for the session, send it as Bearer, and renew it before it
// expires. The page /token does this in a browser, scripts/call-api.ts without one.

export interface AccessToken {
  value: string;
  /** In Unix seconds, by the issuer's clock. */
  expiresAt: number;
  /** When to fetch the next token, by performance.now(): this machine's wall clock may be wrong. */
  renewAt: number;
}

/** Return *token* with its times. This reads the token without verifying it, which AuthGate does. */
function accessToken(token: string): AccessToken {
  const [, payload = ""] = token.split(".");
  const claims = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/"))) as { iat: number; exp: number };
  return { value: token, expiresAt: claims.exp, renewAt: performance.now() + (claims.exp - claims.iat) * 750 };
}

/** Whether three quarters of the token's lifetime are over: time to fetch the next one while this one is valid. */
export function isDue(token: AccessToken): boolean {
  return performance.now() >= token.renewAt;
}

type Send = (url: string, init: RequestInit) => Promise<Response>;

/** Fetch a new token from Better Auth at *base* (default: this site). Return null if the session has ended. */
export async function fetchAccessToken(base = "", send: Send = fetch): Promise<AccessToken | null> {
  const url = `${base}/api/auth/token`;
  const response = await send(url, { cache: "no-store", signal: AbortSignal.timeout(10_000) });
  if (response.status === 401) return null;
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return accessToken(((await response.json()) as { token: string }).token);
}
