// How many attempts run at the same time: one for each user, and a few for all. Slow ones have only some of the places, so
// that nobody can hold all places with a few accounts.

const AT_ONCE = 16;
const SLOW_AT_ONCE = 8;
const slowness = new Map<string, boolean>();

/** Run *work* for *user* and return its result. Return null without running it if the user, or everybody, must wait. */
export async function inTurn<Result>(user: string, isSlow: boolean, work: () => Promise<Result>): Promise<Result | null> {
  const slow = [...slowness.values()].filter(Boolean).length;
  if (slowness.has(user) || slowness.size >= AT_ONCE || (isSlow && slow >= SLOW_AT_ONCE)) return null;
  slowness.set(user, isSlow);
  try {
    return await work();
  } finally {
    slowness.delete(user);
  }
}
