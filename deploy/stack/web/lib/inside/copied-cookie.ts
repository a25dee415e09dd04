// The attempt that takes several requests: a cookie is copied, its session ends, and the copy is sent until it is refused.
import { setTimeout as sleep } from "node:timers/promises";
import { otherSession } from "./forge";
import { type PlannedRequest, type Sent, send } from "./send";
import type { Visitor } from "./visitor";

const PAUSE_MS = 500;
// AuthGate remembers a session for 5 s (`cache_seconds` in authgate.yaml); 3 s are for a slow machine.
const GIVE_UP_SECONDS = 8;

/** Send *request* with the copy of a cookie, before and after the sign-out. Throw if the visitor leaves the page. */
export async function sendCopiedCookie(visitor: Visitor, request: PlannedRequest, leaving: AbortSignal): Promise<Sent> {
  const session = await otherSession(visitor);
  const planned = { ...request, cookie: session.cookie };
  try {
    let answer = await send(planned);
    if (answer.status !== 200) return { planned, answer, meaning: "The copy did not even work before the sign-out." };
    await session.end();
    const ended = performance.now();
    let seconds = 0;
    answer = await send(planned);
    while (answer.status === 200 && seconds < GIVE_UP_SECONDS) {
      await sleep(PAUSE_MS, undefined, { signal: leaving });
      seconds = (performance.now() - ended) / 1000;
      answer = await send(planned);
    }
    const after = `${seconds.toFixed(1)} seconds after`;
    const meaning =
      answer.status === 200
        ? `The copy still worked ${after} the sign-out.`
        : `The copy worked until the sign-out, and was refused ${after} it.`;
    return { planned, answer, meaning };
  } finally {
    await session.end();
  }
}
