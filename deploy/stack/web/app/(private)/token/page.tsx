import type { Metadata } from "next";
import { signedIn } from "@/lib/session";
import { TokenUse } from "./token-use";

export const metadata: Metadata = { title: "Access token" };

export default async function TokenPage() {
  await signedIn(); // by itself: a request for the page's data alone may go past the layout
  return (
    <>
      <h1>Access token</h1>
      <p>
        This page asks <code>/api/v1/auth/me</code> once a second without its cookie: with a JWT that it keeps in memory and
        renews before it expires. A JWT counts until it expires, also after a sign-out.
      </p>
      <TokenUse />
    </>
  );
}
