import type { ReactNode } from "react";
import { signedIn } from "@/lib/session";
import { Guard } from "./guard";
import { Header } from "./header";

export default async function PrivateLayout({ children }: { children: ReactNode }) {
  const { user } = await signedIn();
  return (
    <>
      <a className="skip" href="#content">
        Skip to content
      </a>
      <Header person={{ name: user.name, email: user.email, isAdministrator: user.role === "admin" }} />
      <Guard>
        <main id="content" className="content">
          {children}
        </main>
      </Guard>
    </>
  );
}
