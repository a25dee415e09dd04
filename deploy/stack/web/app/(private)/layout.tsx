import type { ReactNode } from "react";
import { signedIn } from "@/lib/session";
import { Guard, SignOut } from "./guard";
import { Navigation } from "./navigation";

export default async function PrivateLayout({ children }: { children: ReactNode }) {
  const { user } = await signedIn();
  return (
    <>
      <a className="skip" href="#content">
        Skip to content
      </a>
      <header>
        <Navigation isAdministrator={user.role === "admin"} />
        <span className="who">{user.name}</span>
        <SignOut />
      </header>
      <Guard>
        <main id="content">{children}</main>
      </Guard>
    </>
  );
}
