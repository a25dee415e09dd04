import type { Metadata } from "next";
import { auth } from "@/lib/auth";
import { signedIn } from "@/lib/session";
import { browserName } from "./browser";
import { SessionList } from "./session-list";

export const metadata: Metadata = { title: "Your sessions" };

export default async function SessionsPage() {
  const current = await signedIn();
  // Read on the server: the endpoint for browsers returns the raw tokens of the other sessions.
  const { internalAdapter } = await auth().$context;
  const sessions = await internalAdapter.listSessions(current.user.id, { onlyActiveSessions: true });
  sessions.sort((one, other) => other.createdAt.getTime() - one.createdAt.getTime());
  return (
    <>
      <h1>Your sessions</h1>
      <p>You are signed in on these browsers. A session that you end stops working everywhere within seconds.</p>
      <SessionList
        sessions={sessions.map((session) => ({
          id: session.id,
          browser: browserName(session.userAgent ?? ""),
          ipAddress: session.ipAddress ?? "",
          createdAt: session.createdAt.toISOString(),
          isCurrent: session.id === current.session.id,
        }))}
      />
    </>
  );
}
