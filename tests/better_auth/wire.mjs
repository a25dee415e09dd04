// The wire between the network and Better Auth. It counts requests. Tests can make get-session slow, silent or broken.
import { setTimeout as sleep } from "node:timers/promises";

export class Wire {
  /** The number of requests for each path, without the query. */
  counts = {};
  /** The header lines of the last request for get-session, unchanged: [[name, value], ...]. */
  lastHeaders = null;
  #seconds = 0;
  #canned = null;
  #paused = null;
  #resume = () => {};

  delay(seconds) {
    this.#seconds = seconds;
  }

  /** Hold every request for get-session until `resume`. */
  pause() {
    this.#paused ??= new Promise((resolve) => (this.#resume = resolve));
  }

  resume() {
    this.#paused = null;
    this.#resume();
  }

  /** Answer get-session with {status, headers, body} from now on. Without a status, Better Auth answers again. */
  answer(canned) {
    this.#canned = canned.status ? canned : null;
  }

  /** Count *request*, and return whether Better Auth should answer it. */
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
