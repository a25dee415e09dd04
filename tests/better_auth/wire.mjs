// What stands between the network and Better Auth: it counts, and is slow, silent or broken for get-session when told.
import { setTimeout as sleep } from "node:timers/promises";

export class Wire {
  /** How often each path was asked for, without its query. */
  counts = {};
  /** The header lines of the last request for get-session, as they came: [[name, value], ...]. */
  lastHeaders = null;
  #seconds = 0;
  #canned = null;
  #paused = null;
  #resume = () => {};

  delay(seconds) {
    this.#seconds = seconds;
  }

  /** Keep every request for get-session waiting until `resume`. */
  pause() {
    this.#paused ??= new Promise((resolve) => (this.#resume = resolve));
  }

  resume() {
    this.#paused = null;
    this.#resume();
  }

  /** Answer get-session with {status, headers, body} from here on; without a status as Better Auth does. */
  answer(canned) {
    this.#canned = canned.status ? canned : null;
  }

  /** Count *request*, and return whether Better Auth is to answer it. */
  async passes(request, response) {
    const { pathname } = new URL(request.url, "http://127.0.0.1");
    this.counts[pathname] = (this.counts[pathname] ?? 0) + 1;
    if (!pathname.endsWith("/get-session")) return true;
    const lines = request.rawHeaders;
    this.lastHeaders = lines.flatMap((name, index) => (index % 2 ? [] : [[name, lines[index + 1]]]));
    if (this.#seconds) await sleep(this.#seconds * 1000);
    if (this.#paused) await this.#paused;
    if (!this.#canned) return true;
    response.writeHead(this.#canned.status, this.#canned.headers ?? {}).end(this.#canned.body ?? "");
    return false;
  }
}
