// Better Auth in this process, with an empty database in memory, and browsers that send it HTTP requests.
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { admin, anonymous, bearer, jwt, organization, twoFactor } from "better-auth/plugins";
import { emptyRows } from "../rows.mjs";
import { at, issuedAt } from "./clock.mjs";
import { verdict } from "./collected.mjs";
import { randomSecret } from "./texts.mjs";

export const PRODUCER = { library: "better-auth", version: "1.7.25" };
export const PASSWORD = "a-password-of-the-tests";
const USER_AGENT = "authgate-tests/1.0";
// Passwords are not tested here, and Better Auth's own hash takes longer than everything else together.
const FAST_PASSWORDS = {
  hash: async (text) => `fast:${text}`,
  verify: async ({ hash, password }) => hash === `fast:${password}`,
};

/** A browser at the application's origin. It stores cookies, and sends them back unchanged. */
export class Browser {
  constructor(auth, origin, userAgent) {
    Object.assign(this, { auth, origin, userAgent, jar: new Map() });
  }

  /** Return the headers of this browser's next request. */
  headers() {
    const cookie = [...this.jar].map(([name, value]) => `${name}=${value}`).join("; ");
    return { "user-agent": this.userAgent, ...(cookie && { cookie }) };
  }

  /** Send a GET, or a POST with *body*: URLSearchParams as a form, anything else as JSON. */
  async ask(path, body) {
    const form = body instanceof URLSearchParams;
    const headers = {
      ...this.headers(),
      origin: this.origin,
      ...(body && !form && { "content-type": "application/json" }),
    };
    const sent = { method: body ? "POST" : "GET", headers, body: form ? body : body && JSON.stringify(body) };
    const request = new Request(`${this.origin}/api/auth${path}`, sent);
    const response = await this.auth.handler(request);
    const text = await response.text();
    if (response.status >= 400) throw new Error(`${path}: ${response.status} ${text}`);
    for (const line of response.headers.getSetCookie()) {
      const [name, value] = line.slice(0, line.indexOf(";")).split(/=(.*)/s);
      if (/; Max-Age=0(;|$)/.test(line)) this.jar.delete(name);
      else this.jar.set(name, value);
    }
    return { json: text ? JSON.parse(text) : null, headers: response.headers };
  }
}

export class BetterAuth {
  constructor({
    strategy,
    maxAge = 300,
    version,
    baseURL = "http://app.example.test",
    rows,
    plugins,
    ...options
  } = {}) {
    this.given = { strategy, maxAge, version, baseURL, plugins, ...options };
    this.strategy = strategy;
    this.version = version;
    this.origin = baseURL;
    this.rows = rows ?? emptyRows();
    this.mails = [];
    const { secret, secrets, session, jwtPlugin, bearerPlugin, ...others } = options;
    this.secrets = secrets;
    this.secret = secrets ? secrets[0].value : (secret ?? randomSecret());
    const cached = strategy === "jwt-jwks" ? "jwt" : strategy;
    this.auth = betterAuth({
      baseURL,
      ...(secrets ? { secrets, secret } : { secret: this.secret }), // beside `secrets`, `secret` only decrypts
      database: memoryAdapter(this.rows),
      emailAndPassword: { enabled: true, password: FAST_PASSWORDS },
      emailVerification: { sendVerificationEmail: async (mail) => void this.mails.push(mail), sendOnSignUp: true },
      session: { cookieCache: { enabled: Boolean(strategy), strategy: cached, maxAge, version }, ...session },
      user: {
        additionalFields: {
          numbers: { type: "number[]", required: false },
          ratio: { type: "number", required: false },
          biography: { type: "string", required: false },
        },
      },
      logger: { disabled: true },
      rateLimit: { enabled: false },
      telemetry: { enabled: false },
      plugins: [
        admin(),
        anonymous(),
        bearer(bearerPlugin),
        organization(),
        twoFactor({ skipVerificationOnEnable: true }),
        jwt({ disableSettingJwtHeader: true, sessionCookieCache: strategy === "jwt-jwks", ...jwtPlugin }),
        ...(plugins ?? []),
      ],
      ...others,
    });
  }

  /** Return another Better Auth with the same database and with changed settings. */
  again(changes) {
    const given = this.secrets ? { secrets: this.secrets } : { secret: this.secret };
    return new BetterAuth({ ...this.given, ...given, rows: this.rows, ...changes });
  }

  browser(userAgent = USER_AGENT) {
    return new Browser(this.auth, this.origin, userAgent);
  }

  /** Sign up a new user, and return their browser. */
  async signedIn({ userAgent, ...person } = {}) {
    const browser = this.browser(userAgent);
    const number = this.rows.user.length;
    await browser.ask("/sign-up/email", {
      name: "Ada Lovelace",
      email: `ada${number}@example.test`,
      password: PASSWORD,
      ...person,
    });
    return browser;
  }

  async cookieNames() {
    const { sessionToken, sessionData, dontRememberToken, accountData } = (await this.auth.$context).authCookies;
    return {
      token: sessionToken.name,
      data: sessionData.name,
      dontRemember: dontRememberToken.name,
      account: accountData.name,
    };
  }

  async jwks() {
    return (await this.browser().ask("/jwks")).json;
  }

  /** Return the configuration for a verifier of the session cookies. */
  async config() {
    const names = await this.cookieNames();
    return {
      ...(this.secrets && { secrets: this.secrets }),
      secret: this.secret,
      url: this.origin,
      ...(this.strategy && { strategy: this.strategy === "jwt-jwks" ? "jwt" : this.strategy }),
      session_token_cookie: names.token,
      session_data_cookie: names.data,
      ...(this.version && { version: this.version }),
      ...(this.strategy === "jwt-jwks" && {
        jwks: await this.jwks(),
        issuer: this.origin,
        audience: "better-auth:session-cache",
      }),
    };
  }

  /**
   * Return get-session's answer to these headers: {session, user}, or null.
   *
   * Without *store*, the session's row is hidden, so the answer comes from the cookies alone.
   */
  async getSession(headers, { time = issuedAt() + 5, store = false } = {}) {
    const kept = this.rows.session;
    this.rows.session = store ? [...kept] : [];
    const request = new Request(`${this.origin}/api/auth/get-session?disableRefresh=true`, { headers });
    try {
      return await at(time, async () => {
        const response = await this.auth.handler(request);
        return response.status === 200 ? response.json() : null; // 500: a cookie cannot be decoded
      });
    } finally {
      this.rows.session = kept;
    }
  }

  /** Return "accepts" if get-session returns a user for these headers, else "rejects". */
  async verdict(headers, how) {
    return verdict(await this.getSession(headers, how));
  }

  /** Return the identity of the user of *browser*'s session cookie, from the database. */
  async identity(browser) {
    const token = sessionToken(browser.jar.get((await this.cookieNames()).token));
    const session = this.rows.session.find((row) => row.token === token);
    return identity(
      session,
      this.rows.user.find((row) => row.id === session.userId),
    );
  }
}

/** Return the session token in the *value* of a signed session cookie. */
export const sessionToken = (value) => decodeURIComponent(value).split(".")[0];

export function identity(session, user) {
  return {
    user_id: user.id,
    email: user.email,
    email_verified: user.emailVerified,
    name: user.name,
    session_id: session.id,
    session_token: session.token,
    ...(user.role && { role: user.role }),
    ...(user.banned && { is_banned: true }),
    ...(user.isAnonymous && { is_anonymous: true }),
    ...(session.impersonatedBy && { impersonated_by: session.impersonatedBy }),
    ...(session.activeOrganizationId && { active_organization_id: session.activeOrganizationId }),
  };
}

/** Return *headers* with these changes of cookies. The value undefined removes a cookie. */
export function withCookies(headers, changes) {
  const cookies = new Map(
    (headers.cookie ?? "")
      .split("; ")
      .filter(Boolean)
      .map((pair) => pair.split(/=(.*)/s, 2)),
  );
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) cookies.delete(name);
    else cookies.set(name, value);
  }
  const { cookie: _, ...others } = headers;
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  return { ...others, ...(cookie && { cookie }) };
}
