"use client";
import { type ReactNode, useEffect, useState } from "react";
import { api } from "@/lib/api";
import { authClient } from "@/lib/auth-client";

/**
 * Keeps private pages private after the session ends. A page that the browser restores on "back" is reloaded. A page that
 * becomes visible again checks its session; if it has ended, api() goes to the sign-in page.
 */
export function Guard({ children }: { children: ReactNode }) {
  const [stale, setStale] = useState(false);
  useEffect(() => {
    const reload = (event: PageTransitionEvent) => {
      if (!event.persisted) return;
      setStale(true);
      location.reload();
    };
    const checkSession = () => {
      if (document.visibilityState === "visible") api("/auth/me").catch(() => undefined); // an outage does not sign users out
    };
    addEventListener("pageshow", reload);
    document.addEventListener("visibilitychange", checkSession);
    addEventListener("focus", checkSession); // two windows side by side are visible all the time
    return () => {
      removeEventListener("pageshow", reload);
      document.removeEventListener("visibilitychange", checkSession);
      removeEventListener("focus", checkSession);
    };
  }, []);
  return stale ? null : children;
}

export function SignOut() {
  const [failure, setFailure] = useState("");
  async function signOut() {
    const { error } = await authClient.signOut();
    if (error) setFailure("Signing out failed. Try again.");
    else location.replace("/sign-in");
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
