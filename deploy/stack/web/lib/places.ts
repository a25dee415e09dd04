/** Return where to go after signing in: a path of this site, whatever a link said. */
export function destination(next: string | string[] | undefined): string {
  return typeof next === "string" && /^\/(?![/\\])[\w/-]*$/.test(next) ? next : "/tasks";
}
