// Who is signed in, for pages that the server renders. The API behind AuthGate does not need it.
import { headers } from "next/headers";
import { redirect } from "next/navigation";
import { cache } from "react";
import { auth } from "./auth";

/** Return the session by the database, or null: not signed in, signed out elsewhere, or banned. Once for each request. */
export const session = cache(async () => {
  const found = await auth().api.getSession({ headers: await headers(), query: { disableCookieCache: true } });
  return found?.user.banned ? null : found;
});

/** Return the session; a visitor without one is sent to the sign-in page, and comes back from there. */
export async function signedIn() {
  const path = (await headers()).get("x-path") ?? "/";
  return (await session()) ?? redirect(`/sign-in?next=${encodeURIComponent(path)}`);
}
