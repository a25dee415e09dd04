// How many attempts run at the same time: one for each user, and a few for all.

const AT_ONCE = 8;
const busy = new Set<string>();

/** Run *work* for *user* and return its result. Return null without running it if the user, or everybody, must wait. */
export async function inTurn<Result>(user: string, work: () => Promise<Result>): Promise<Result | null> {
  if (busy.has(user) || busy.size >= AT_ONCE) return null;
  busy.add(user);
  try {
    return await work();
  } finally {
    busy.delete(user);
  }
}
