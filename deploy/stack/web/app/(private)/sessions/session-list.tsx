"use client";
import { useRouter } from "next/navigation";
import { useRef, useState } from "react";
import { Confirm } from "@/app/parts/confirm";
import { leaveRow } from "@/app/parts/row-focus";
import { api, goToSignIn } from "@/lib/api";
import { authClient } from "@/lib/auth-client";
import { SIGNED_OUT } from "@/lib/reason";
import { endSession } from "./actions";
import { type Session, SessionItem } from "./session-item";

export function SessionList({ sessions }: { sessions: Session[] }) {
  const [status, setStatus] = useState("");
  const [isAsking, setAsking] = useState(false);
  const others = useRef<HTMLButtonElement>(null);
  const router = useRouter();

  async function signOut(session: Session, row: Element) {
    setStatus("");
    try {
      await endSession(session.id);
    } catch {
      await api("/auth/me").catch(() => undefined); // has this session ended? Then this goes to the sign-in page
      setStatus(`Signing out ${session.browser} failed. Try again.`);
      return;
    }
    leaveRow(row, others.current);
    setStatus(`${session.browser} is signed out.`);
    router.refresh();
  }

  async function signOutOthers() {
    setStatus("");
    const { error } = await authClient.revokeOtherSessions();
    if (error?.status === 401) return goToSignIn();
    setStatus(error ? "Signing out the other browsers failed. Try again." : "All other browsers are signed out.");
    if (!error) router.refresh();
  }

  async function signOutEverywhere() {
    setStatus("");
    const { error } = await authClient.revokeSessions();
    if (error && error.status !== 401) setStatus("Signing out everywhere failed. Try again.");
    else location.replace(SIGNED_OUT);
  }

  return (
    <>
      <ul className="cards">
        {sessions.map((session) => (
          <SessionItem key={session.id} session={session} onSignOut={(row) => signOut(session, row)} />
        ))}
      </ul>
      <div className="row">
        <button ref={others} type="button" onClick={signOutOthers}>
          Sign out other browsers
        </button>
        <button type="button" className="danger" aria-haspopup="dialog" onClick={() => setAsking(true)}>
          Sign out everywhere
        </button>
        <p role="status">{status}</p>
      </div>
      {isAsking && (
        <Confirm
          title="Sign out everywhere?"
          action="Sign out everywhere"
          onConfirm={() => void signOutEverywhere()}
          onClose={() => setAsking(false)}
        >
          <p>All browsers are signed out within seconds, this one too. Access tokens count until they expire.</p>
        </Confirm>
      )}
    </>
  );
}
