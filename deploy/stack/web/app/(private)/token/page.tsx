import type { Metadata } from "next";
import { signedIn } from "@/lib/session";
import { TokenUse } from "./token-use";

export const metadata: Metadata = { title: "Access token" };

export default async function TokenPage() {
  await signedIn(); // checked here too: a request for the page's data alone does not run the layout
  return (
    <>
      <h1>Access token</h1>
      <p>
        This page calls <code>/api/v1/auth/me</code> once a second, until you pause it. Instead of the session cookie it sends a
        JWT, which it keeps in memory and renews before it expires. A JWT stays valid until it expires, even after you sign out.
      </p>
      <TokenUse />
    </>
  );
}
