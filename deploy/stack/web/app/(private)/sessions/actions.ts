"use server";
import { auth } from "@/lib/auth";
import { signedIn } from "@/lib/session";

/** End one of the user's own sessions. The page names it by its id: a session's token never leaves the server. */
export async function endSession(id: string): Promise<void> {
  const { user } = await signedIn();
  const { internalAdapter } = await auth().$context;
  const session = (await internalAdapter.listSessions(user.id)).find((own) => own.id === id);
  if (session) await internalAdapter.deleteSession(session.token);
}
