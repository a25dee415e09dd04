import type { ReactNode } from "react";
import { isAdministrator } from "@/lib/administrator";
import { signedIn } from "@/lib/session";
import { Guard } from "./guard";
import { Header } from "./header";

export default async function PrivateLayout({ children }: { children: ReactNode }) {
  const session = await signedIn();
  const { name, email } = session.user;
  return (
    <>
      <a className="skip" href="#content">
        Skip to content
      </a>
      <Header person={{ name, email, isAdministrator: isAdministrator(session) }} />
      <Guard>
        <main id="content" className="content">
          <noscript>
            <p className="failure">This page needs JavaScript. Allow it for this site, and reload the page.</p>
          </noscript>
          {children}
        </main>
      </Guard>
    </>
  );
}
