// One clock for all libraries: it stands where it is set, so that what they make depends on nothing else.
import { mock } from "node:test";

let now;

/** Let the clock stand at *seconds* (unix time) from here on. */
export function start(seconds) {
  now = seconds;
  mock.timers.enable({ apis: ["Date"], now: seconds * 1000 });
}

/** Return the time at which everything is made, in unix seconds. */
export const issuedAt = () => now;

/** Do *something* (asynchronous) at another time, then go back. */
export async function at(seconds, something) {
  mock.timers.setTime(Math.round(seconds * 1000));
  try {
    return await something();
  } finally {
    mock.timers.setTime(now * 1000);
  }
}
