import type { Metadata } from "next";
import { auth } from "@/lib/auth";
import { signedIn } from "@/lib/session";
import { EndSessions } from "./end-sessions";

export const metadata: Metadata = { title: "Your sessions" };

export default async function SessionsPage() {
  const current = await signedIn();
  // Read on the server: the endpoint for browsers returns the raw tokens of the other sessions.
  const sessions = await (await auth().$context).internalAdapter.listSessions(current.user.id, { onlyActiveSessions: true });
  return (
    <>
      <h1>Your sessions</h1>
      <p>You are signed in on these browsers. A session that you end stops working everywhere within seconds.</p>
      <table>
        <thead>
          <tr>
            <th scope="col">Browser</th>
            <th scope="col">IP address</th>
            <th scope="col">Signed in</th>
          </tr>
        </thead>
        <tbody>
          {sessions.map((session) => (
            <tr key={session.id}>
              <td>
                {browser(session.userAgent ?? "")}
                {session.id === current.session.id && <strong> (this browser)</strong>}
              </td>
              <td className="break">{session.ipAddress || "Unknown"}</td>
              <td>
                <time dateTime={session.createdAt.toISOString()}>
                  {session.createdAt.toISOString().slice(0, 16).replace("T", " ")} UTC
                </time>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <EndSessions />
    </>
  );
}

const BROWSERS = ["Firefox", "Edg", "OPR", "Chrome", "Safari", "curl", "node"];

function browser(userAgent: string): string {
  const name = BROWSERS.find((known) => userAgent.includes(known)) ?? userAgent.slice(0, 60);
  return { Edg: "Edge", OPR: "Opera" }[name] ?? (name || "Unknown");
}
