"use client";
import { useState } from "react";
import { Breakable } from "@/app/parts/breakable";
import { Confirm } from "@/app/parts/confirm";
import { LocalTime } from "@/app/parts/local-time";

export interface User {
  id: string;
  name: string;
  email: string;
  role: string;
  /** *expires* is empty if the ban lasts until somebody ends it. */
  ban: { reason: string; expires: string } | null;
}

interface Actions {
  onBan: (reason: string) => Promise<unknown>;
  onUnban: () => Promise<unknown>;
}

export function UserItem({ user, isSelf, onBan, onUnban }: Actions & { user: User; isSelf: boolean }) {
  const [isBusy, setBusy] = useState(false);
  const [isAsking, setAsking] = useState(false);

  async function make(work: () => Promise<unknown>) {
    if (isBusy) return;
    setBusy(true);
    await work();
    setBusy(false);
  }

  return (
    <li aria-busy={isBusy}>
      <div>
        <strong>
          <Breakable text={user.name} />
        </strong>{" "}
        {user.role !== "user" && <span className="badge">{user.role}</span>}{" "}
        {user.ban && <span className="badge bad">banned</span>}
        <p className="hint">
          <Breakable text={user.email} />
        </p>
        {user.ban && <Ban {...user.ban} />}
      </div>
      {isSelf ? (
        <span className="badge good">you</span>
      ) : (
        <button
          type="button"
          className="quiet"
          aria-label={`${user.ban ? "Unban" : "Ban"} ${user.email}`}
          aria-disabled={isBusy}
          onClick={() => (user.ban ? make(onUnban) : setAsking(true))}
        >
          {user.ban ? "Unban" : "Ban"}
        </button>
      )}
      {isAsking && (
        <Confirm
          title={
            <>
              Ban <Breakable text={user.email} />?
            </>
          }
          action="Ban"
          onConfirm={(fields) => void make(() => onBan(fields.get("reason") as string))}
          onClose={() => setAsking(false)}
        >
          <p>All their sessions end now, and they cannot sign in until you unban them. Access tokens count until they expire.</p>
          <label>
            Reason (for administrators)
            <input name="reason" maxLength={200} autoComplete="off" dir="auto" />
          </label>
        </Confirm>
      )}
    </li>
  );
}

function Ban({ reason, expires }: { reason: string; expires: string }) {
  return (
    <p className="break">
      {reason && <bdi>{reason}</bdi>}
      {expires && (
        <>
          {" "}
          until <LocalTime iso={expires} />
        </>
      )}
    </p>
  );
}
