"use client";
import { type ReactNode, useEffect, useState } from "react";
import { api } from "@/lib/api";
import { authClient } from "@/lib/auth-client";

/**
 * Keep private pages private: one that comes back by the browser's "back" is made anew, and one that is looked at again
 * asks whether its session still counts; api() leaves for the sign-in page when it does not.
 */
export function Guard({ children }: { children: ReactNode }) {
  const [stale, setStale] = useState(false);
  useEffect(() => {
    const shown = (event: PageTransitionEvent) => {
      if (!event.persisted) return;
      setStale(true);
      location.reload();
    };
    const seen = () => {
      if (document.visibilityState === "visible") api("/auth/me").catch(() => {}); // an outage signs nobody out
    };
    addEventListener("pageshow", shown);
    document.addEventListener("visibilitychange", seen);
    addEventListener("focus", seen); // of two windows side by side both are visible
    return () => {
      removeEventListener("pageshow", shown);
      document.removeEventListener("visibilitychange", seen);
      removeEventListener("focus", seen);
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
