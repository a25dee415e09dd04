/** What the admin plugin adds to a user. */
export interface Bannable {
  banned?: boolean | null;
  banExpires?: Date | null;
}

/** Whether a ban lasts, as Better Auth and AuthGate see it. */
export function isBanned({ banned, banExpires }: Bannable): boolean {
  return Boolean(banned) && !(banExpires && banExpires.getTime() < Date.now());
}
