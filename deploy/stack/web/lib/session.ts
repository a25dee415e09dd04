// The signed-in user, for pages that the server renders. The API behind AuthGate does not need this.
import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { cache } from "react";
import { auth } from "./auth";
import { leadingBack } from "./return-to";

/** Return the session from the database, or null (not signed in, signed out elsewhere, banned). Cached for a request. */
export const session = cache(async () => {
  // A page that is being rendered cannot set a cookie. A refresh here would move the row's end and not the cookie's, and
  // for a day no other request would renew the cookie. checkSession() in the browser renews both.
  const query = { disableCookieCache: true, disableRefresh: true };
  const current = await auth().api.getSession({ headers: await headers(), query });
  return current?.user.banned ? null : current;
});

/**
 * Return the session, or redirect to the sign-in page, which leads back here. AuthGate has checked the session before the
 * request came here. This second check keeps private pages closed if somebody forgets one at the proxy, and in the
 * seconds in which AuthGate remembers a session that has ended.
 */
export async function signedIn() {
  const path = (await headers()).get("x-path") ?? "/";
  return (await session()) ?? redirect(leadingBack("/sign-in", path));
}
