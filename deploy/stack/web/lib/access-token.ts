// The JWT path, for callers that cannot send cookies: get a token for the session, send it as Bearer, renew it before it
// expires. The page /token does so in a browser, scripts/call-api.ts without one.

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

/** Fetch a new token from Better Auth, of the front end at *base* (this one); null where the session is over. */
export async function fetchAccessToken(base = "", headers?: HeadersInit): Promise<AccessToken | null> {
  const url = `${base}/api/auth/token`;
  const response = await fetch(url, { headers, cache: "no-store", signal: AbortSignal.timeout(10_000) });
  if (response.status === 401) return null;
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return accessToken(((await response.json()) as { token: string }).token);
}
