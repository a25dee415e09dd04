import type { Metadata } from "next";
import { auth } from "@/lib/auth";
import { signedIn } from "@/lib/session";
import { EndSessions } from "./end-sessions";

export const metadata: Metadata = { title: "Your sessions" };

export default async function SessionsPage() {
  const current = await signedIn();
  // Read here and not by the browser: the endpoint for it answers with the raw tokens of the other sessions.
  const sessions = await (await auth().$context).internalAdapter.listSessions(current.user.id, { onlyActiveSessions: true });
  return (
    <>
      <h1>Your sessions</h1>
      <p>Where you are signed in. A session that you end here is refused everywhere within seconds.</p>
      <table>
        <thead>
          <tr>
            <th scope="col">Browser</th>
            <th scope="col">Address</th>
            <th scope="col">Since</th>
          </tr>
        </thead>
        <tbody>
          {sessions.map((one) => (
            <tr key={one.id}>
              <td>
                {browser(one.userAgent ?? "")}
                {one.id === current.session.id && <strong> (this one)</strong>}
              </td>
              <td>{one.ipAddress || "unknown"}</td>
              <td>
                <time dateTime={one.createdAt.toISOString()}>{one.createdAt.toISOString().slice(0, 16).replace("T", " ")} UTC</time>
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
  const found = BROWSERS.find((name) => userAgent.includes(name)) ?? userAgent.slice(0, 60);
  return { Edg: "Edge", OPR: "Opera" }[found] ?? (found || "unknown");
}
