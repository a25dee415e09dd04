import Link from "next/link";
import type { ReactNode } from "react";
import { signedIn } from "@/lib/session";
import { Guard, SignOut } from "./guard";

export default async function PrivateLayout({ children }: { children: ReactNode }) {
  const { user } = await signedIn();
  return (
    <>
      <a className="skip" href="#content">
        Skip to content
      </a>
      <header>
        <nav aria-label="Main">
          <Link href="/tasks">Tasks</Link>
          <Link href="/sessions">Sessions</Link>
          <Link href="/token">Access token</Link>
          {user.role === "admin" && <Link href="/admin">Users</Link>}
        </nav>
        <span className="who">{user.name}</span>
        <SignOut />
      </header>
      <Guard>
        <main id="content">{children}</main>
      </Guard>
    </>
  );
}
