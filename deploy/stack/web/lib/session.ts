// The signed-in user, for pages that the server renders. The API behind AuthGate does not need this.
import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { cache } from "react";
import { auth } from "./auth";
import { isBanned } from "./ban";
import type { Reason } from "./reason";
import { leadingBack } from "./return-to";

export type Session = NonNullable<Awaited<ReturnType<ReturnType<typeof auth>["api"]["getSession"]>>>;

/** Return the session from the database, or null (not signed in, signed out elsewhere, banned). Cached for a request. */
export async function session(): Promise<Session | null> {
  return (await find()).session;
}

/** Return why there is no session, if the browser has the cookie of one. A stranger, who has none, learns nothing. */
export async function whySignedOut(): Promise<Reason | undefined> {
  return (await find()).reason;
}

/**
 * Return the session, or redirect to the sign-in page, which leads back here. AuthGate has checked the session before the
 * request came here. This second check keeps private pages closed if somebody forgets one at the proxy, and in the
 * seconds in which AuthGate remembers a session that has ended.
 */
export async function signedIn(): Promise<Session> {
  const path = (await headers()).get("x-path") ?? "/";
  return (await session()) ?? redirect(leadingBack("/sign-in", path));
}

const find = cache(async (): Promise<{ session: Session | null; reason?: Reason }> => {
  // A page that is being rendered cannot set a cookie. A refresh here would move the row's end and not the cookie's, and
  // for a day no other request would renew the cookie. checkSession() in the browser renews both.
  const query = { disableCookieCache: true, disableRefresh: true };
  const answer = await auth().api.getSession({ headers: await headers(), query, returnHeaders: true });
  const { response, headers: set } = answer;
  if (!response) return { session: null, reason: (await deletesSessionCookie(set)) ? "ended" : undefined };
  return isBanned(response.user) ? { session: null, reason: "banned" } : { session: response };
});

/** Whether Better Auth wants the session cookie deleted. It does so if the signature is right and the session is gone. */
async function deletesSessionCookie(set: Headers): Promise<boolean> {
  const { name } = (await auth().$context).authCookies.sessionToken;
  return set.getSetCookie().some((line) => line.startsWith(`${name}=`));
}
