// How many passwords are hashed at the same time. A hash takes one of Node's four threads for a tenth of a second, and the
// connections to the database need these threads, too. Without a limit, a burst of sign-ins stops everything else.
import { APIError } from "better-auth/api";

const AT_ONCE = 2;
const WAITING = 40;
const WAIT_SECONDS = 5;

let running = 0;
const queue = new Set<() => void>();

/** Run *work* as soon as there is a place for it. Answer 503 if too many wait, or if there is none for 5 seconds. */
export async function inQueue<Result>(work: () => Promise<Result>): Promise<Result> {
  if (!(await place())) {
    const message = "The server is too busy. Try again in a moment.";
    throw new APIError("SERVICE_UNAVAILABLE", { code: "TOO_BUSY", message }, { "Retry-After": String(WAIT_SECONDS) });
  }
  try {
    return await work();
  } finally {
    leave();
  }
}

function place(): boolean | Promise<boolean> {
  if (running < AT_ONCE) {
    running += 1;
    return true;
  }
  return queue.size < WAITING && wait();
}

function wait(): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (hasPlace: boolean) => {
      clearTimeout(timer);
      queue.delete(enter);
      resolve(hasPlace);
    };
    const enter = () => end(true);
    const timer = setTimeout(() => end(false), WAIT_SECONDS * 1000);
    queue.add(enter);
  });
}

/** Give the place to the request that has waited longest. */
function leave() {
  const [next] = queue;
  if (next) next();
  else running -= 1;
}
