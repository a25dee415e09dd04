// The way back after signing in: `return_to`, the parameter that AuthGate adds to its `login_url`.
import type { Reason } from "./reason";

const HOME = "/tasks";
// Visible ASCII. Without "//" at the start, which names another host, and without "\", which browsers read as "/".
const ADDRESS = /^(\/(?!\/)|https?:\/\/)[!-[\]-~]*$/;

/**
 * Return path and query of *address*, or the home page unless *address* is of this site: a path, or a URL of *origin*.
 * Anybody can make a link to the sign-in page, so nothing in it may lead to another site.
 */
export function returnPath(address: string | string[] | undefined, origin: string): string {
  if (typeof address !== "string" || !ADDRESS.test(address) || !URL.canParse(address, origin)) return HOME;
  const url = new URL(address, origin);
  const path = url.pathname + url.search;
  // "/.//evil.example" has the path "//evil.example".
  const isOwn = url.origin === origin && !url.username && !url.password && !path.startsWith("//");
  return isOwn ? path : HOME;
}

/** Return the address of *page*, "/sign-in" or "/sign-up", that leads back to *path*, and says the *reason* if given. */
export function leadingBack(page: string, path: string, reason?: Reason): string {
  return `${page}?return_to=${encodeURIComponent(path)}${reason ? `&reason=${reason}` : ""}`;
}
