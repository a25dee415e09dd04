// One clock for all libraries. It does not move by itself, so their results depend only on the time that is set.
import { mock } from "node:test";

let now;

/** Stop the clock at *seconds* (Unix time). */
export function start(seconds) {
  now = seconds;
  mock.timers.enable({ apis: ["Date"], now: seconds * 1000 });
}

/** Return the time at which everything is issued, in Unix seconds. */
export const issuedAt = () => now;

/** Run *something* (asynchronous) at another time, then set the clock back. */
export async function at(seconds, something) {
  mock.timers.setTime(Math.round(seconds * 1000));
  try {
    return await something();
  } finally {
    mock.timers.setTime(now * 1000);
  }
}
