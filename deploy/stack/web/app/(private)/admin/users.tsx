"use client";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { goToSignIn } from "@/lib/api";
import { authClient } from "@/lib/auth-client";
import { type User, UserItem } from "./user-item";

/** A page of users, and what became of the last ban. Better Auth checks again who may ban. */
export function Users({ users, self }: { users: User[]; self: string }) {
  const [status, setStatus] = useState("");
  const router = useRouter();

  async function change(user: User, text: string, work: Promise<{ error: Failure | null }>) {
    setStatus("");
    const { error } = await work;
    if (error?.status === 401) return goToSignIn();
    setStatus(error ? `That did not work: ${error.message || "the server is not responding"}.` : `${user.email} ${text}.`);
    if (!error) router.refresh();
  }

  const ban = (user: User, banReason: string) =>
    change(user, "is banned, and signed out everywhere", authClient.admin.banUser({ userId: user.id, banReason }));

  const unban = (user: User) => change(user, "may sign in again", authClient.admin.unbanUser({ userId: user.id }));

  return (
    <>
      <p role="status" className="break">
        {status}
      </p>
      {users.length === 0 && <p>No user has such an address.</p>}
      <ul className="cards">
        {users.map((user) => (
          <UserItem
            key={user.id}
            user={user}
            isSelf={user.id === self}
            onBan={(reason) => ban(user, reason)}
            onUnban={() => unban(user)}
          />
        ))}
      </ul>
    </>
  );
}

interface Failure {
  status: number;
  message?: string;
}
