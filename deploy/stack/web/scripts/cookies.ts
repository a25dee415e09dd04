/** The cookies of one site, for a program. It keeps what each answer sets, as a browser does. */
export class Cookies {
  readonly #values = new Map<string, string>();

  /** Fetch *url* of the site with its cookies. */
  readonly fetch = async (url: string, init?: RequestInit): Promise<Response> => {
    const headers = new Headers(init?.headers);
    if (this.#values.size > 0) headers.set("Cookie", [...this.#values].map((pair) => pair.join("=")).join("; "));
    const response = await fetch(url, { ...init, headers });
    response.headers.getSetCookie().forEach((line) => this.#keep(line));
    return response;
  };

  #keep(line: string): void {
    const [, name = "", value = ""] = /^([^=;]+)=([^;]*)/.exec(line) ?? [];
    if (value && !/; *max-age=0(;|$)/i.test(line)) this.#values.set(name, value);
    else this.#values.delete(name);
  }
}
