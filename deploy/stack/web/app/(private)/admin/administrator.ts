import { notFound } from "next/navigation";
import { isAdministrator } from "@/lib/administrator";
import { signedIn } from "@/lib/session";

/**
 * Return the user, an administrator who does not act as somebody else. For others there is no such page. AuthGate's policy
 * has refused them before; this second check keeps the page closed if somebody forgets it at the proxy.
 */
export async function administrator() {
  const session = await signedIn();
  if (!isAdministrator(session)) notFound();
  return session.user;
}
