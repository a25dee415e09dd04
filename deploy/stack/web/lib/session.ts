// The signed-in user, for pages that the server renders. The API behind AuthGate does not need this.
import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { cache } from "react";
import { auth } from "./auth";

/** Return the session from the database, or null (not signed in, signed out elsewhere, banned). Cached for a request. */
export const session = cache(async () => {
  const current = await auth().api.getSession({ headers: await headers(), query: { disableCookieCache: true } });
  return current?.user.banned ? null : current;
});

/** Return the session, or redirect to the sign-in page, which leads back here. */
export async function signedIn() {
  const path = (await headers()).get("x-path") ?? "/";
  return (await session()) ?? redirect(`/sign-in?next=${encodeURIComponent(path)}`);
}
