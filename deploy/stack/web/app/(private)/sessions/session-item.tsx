"use client";
import { useId, useRef, useState } from "react";
import { Breakable } from "@/app/parts/breakable";
import { LocalTime } from "@/app/parts/local-time";

/** What a page may know of a session: everything but its token. */
export interface Session {
  id: string;
  browser: string;
  ipAddress: string;
  createdAt: string;
  isCurrent: boolean;
}

export function SessionItem({ session, onSignOut }: { session: Session; onSignOut: (row: Element) => Promise<unknown> }) {
  const [isBusy, setBusy] = useState(false);
  const row = useRef<HTMLLIElement>(null);
  const details = useId();

  async function signOut() {
    if (isBusy || !row.current) return;
    setBusy(true);
    await onSignOut(row.current);
    setBusy(false);
  }

  return (
    <li ref={row} aria-busy={isBusy}>
      <div>
        <strong>
          <Breakable text={session.browser} />
        </strong>{" "}
        {session.isCurrent && <span className="badge good">this browser</span>}
        <p id={details} className="hint">
          {session.ipAddress ? <Breakable text={session.ipAddress} /> : "Unknown address"} · signed in{" "}
          <LocalTime iso={session.createdAt} />
        </p>
      </div>
      {!session.isCurrent && (
        <button
          type="button"
          className="quiet"
          aria-label={`Sign out ${session.browser}`}
          aria-describedby={details}
          aria-disabled={isBusy}
          onClick={signOut}
        >
          Sign out
        </button>
      )}
    </li>
  );
}
