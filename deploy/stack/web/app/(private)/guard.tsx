"use client";
import { usePathname } from "next/navigation";
import { type ReactNode, useEffect, useState } from "react";
import { authClient } from "@/lib/auth-client";
import { checkSession } from "@/lib/check-session";
import { SIGNED_OUT } from "@/lib/reason";

/**
 * Keeps private pages private after the session ends, and keeps the session of somebody who uses them. A page that the
 * browser restores on "back" is reloaded. A page that is opened, or looked at again, checks and renews its session.
 */
export function Guard({ children }: { children: ReactNode }) {
  const [stale, setStale] = useState(false);
  const path = usePathname(); // a link to another page keeps this component mounted
  useEffect(() => {
    checkSession();
  }, [path]);
  useEffect(() => {
    const reload = (event: PageTransitionEvent) => {
      if (!event.persisted) return;
      setStale(true);
      location.reload();
    };
    const look = () => {
      if (document.visibilityState === "visible") checkSession();
    };
    addEventListener("pageshow", reload);
    document.addEventListener("visibilitychange", look);
    addEventListener("focus", look); // two windows side by side are visible all the time
    return () => {
      removeEventListener("pageshow", reload);
      document.removeEventListener("visibilitychange", look);
      removeEventListener("focus", look);
    };
  }, []);
  return stale ? null : children;
}

export function SignOut() {
  const [failure, setFailure] = useState("");
  async function signOut() {
    const { error } = await authClient.signOut();
    if (error) setFailure("Signing out failed. Try again.");
    else location.replace(SIGNED_OUT);
  }
  return (
    <>
      <button type="button" className="quiet" onClick={signOut}>
        Sign out
      </button>
      <span role="alert">{failure}</span>
    </>
  );
}
