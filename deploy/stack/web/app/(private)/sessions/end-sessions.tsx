"use client";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { goToSignIn } from "@/lib/api";
import { authClient } from "@/lib/auth-client";

export function EndSessions() {
  const [said, setSaid] = useState("");
  const router = useRouter();

  async function others() {
    const { error } = await authClient.revokeOtherSessions();
    if (error?.status === 401) return goToSignIn();
    setSaid(error ? "That failed. Try again." : "Every other session has ended.");
    if (!error) router.refresh();
  }

  async function everywhere() {
    const { error } = await authClient.revokeSessions();
    if (error && error.status !== 401) setSaid("That failed. Try again.");
    else location.replace("/sign-in");
  }

  return (
    <div className="row">
      <button type="button" onClick={others}>
        Sign out other browsers
      </button>
      <button type="button" className="danger" onClick={everywhere}>
        Sign out everywhere
      </button>
      <p role="status">{said}</p>
    </div>
  );
}
