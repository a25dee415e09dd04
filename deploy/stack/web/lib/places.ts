/** Return the page to open after signing in: *next* if it is a path of this site, never another site. */
export function destination(next: string | string[] | undefined): string {
  return typeof next === "string" && /^\/(?![/\\])[\w/-]*$/.test(next) ? next : "/tasks";
}
