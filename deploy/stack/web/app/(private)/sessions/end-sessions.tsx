"use client";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { goToSignIn } from "@/lib/api";
import { authClient } from "@/lib/auth-client";

export function EndSessions() {
  const [status, setStatus] = useState("");
  const router = useRouter();

  async function signOutOthers() {
    const { error } = await authClient.revokeOtherSessions();
    if (error?.status === 401) return goToSignIn();
    setStatus(error ? "That did not work. Try again." : "All other browsers are signed out.");
    if (!error) router.refresh();
  }

  async function signOutEverywhere() {
    const { error } = await authClient.revokeSessions();
    if (error && error.status !== 401) setStatus("That did not work. Try again.");
    else location.replace("/sign-in");
  }

  return (
    <div className="row">
      <button type="button" onClick={signOutOthers}>
        Sign out other browsers
      </button>
      <button type="button" className="danger" onClick={signOutEverywhere}>
        Sign out everywhere
      </button>
      <p role="status">{status}</p>
    </div>
  );
}
