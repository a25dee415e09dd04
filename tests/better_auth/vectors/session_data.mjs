// Better Auth's cookie cache: session_token and session_data together, in each of the four strategies.
import { BetterAuth, PASSWORD, PRODUCER } from "./better_auth.mjs";
import { issuedAt } from "./clock.mjs";
import { collect } from "./collected.mjs";
import { NAMES, NUMBERS, jsonPart, randomSecret } from "./texts.mjs";

export const STRATEGIES = ["compact", "jwt", "jwe", "jwt-jwks"];
export const kind = (strategy) => `better-auth/cookie-${strategy}`;

/** Return the value of *browser*'s session_data, with its chunks joined. */
export async function sessionData(app, browser) {
  const { data } = await app.cookieNames();
  if (browser.jar.has(data)) return browser.jar.get(data);
  const chunks = [];
  while (browser.jar.has(`${data}.${chunks.length}`)) chunks.push(browser.jar.get(`${data}.${chunks.length}`));
  return chunks.join("");
}

/** Collect the cookies of *browser* as a vector that must be accepted as its signed-in user. */
export async function accepted(app, browser, name, texts = {}) {
  const headers = browser.headers();
  const expected = await app.identity(browser);
  const answer = texts.differs ? null : await app.getSession(headers);
  if (!texts.differs && (answer?.user.name !== expected.name || answer.session.id !== expected.session_id)) {
    throw new Error(`${name}: get-session answers ${JSON.stringify(answer)}`);
  }
  return collect({
    name: `ba-${app.strategy}-${name}`,
    kind: kind(app.strategy),
    producer: PRODUCER,
    config: await app.config(),
    headers,
    expiresAt: expiry(app, await sessionData(app, browser)),
    expected,
    reference: await app.verdict(headers),
    ...texts,
  });
}

/** Return when session_data expires, in Unix seconds. For a JWE, that is its Max-Age. */
function expiry(app, data) {
  if (app.strategy === "compact") return JSON.parse(Buffer.from(data, "base64url")).expiresAt / 1000;
  return app.strategy === "jwe" ? issuedAt() + app.given.maxAge : jsonPart(data, 1).exp;
}

const SECURE = { baseURL: "https://app.example.test" };

const signedIn = (app) => app.signedIn();

/** What the user does before the browser sends its cookies. */
const SCENES = {
  plain: signedIn,
  secure: signedIn,
  prefix: signedIn,
  "renamed-secure": signedIn,
  version: signedIn,
  async decoys(app) {
    const browser = await app.signedIn();
    const { token, data } = await app.cookieNames();
    for (const name of [`${token}_multi-abc`, `x${token}`, `${token}.0`, `${data}_old`, `${data}.x`, `${data}-0`]) {
      browser.jar.set(name, "decoy");
    }
    return browser;
  },
  async "dont-remember"(app) {
    const browser = await app.signedIn({ email: "forgetful@example.test" });
    await browser.ask("/sign-out", {});
    await browser.ask("/sign-in/email", { email: "forgetful@example.test", password: PASSWORD, rememberMe: false });
    return browser;
  },
  async numbers(app) {
    return app.signedIn({ numbers: NUMBERS, ratio: 5e-324 });
  },
  async large(app) {
    return app.signedIn({ biography: "Zoë ".repeat(2200), name: NAMES.emoji });
  },
  async "large-user-agent"(app) {
    return app.signedIn({ userAgent: `Mozilla/5.0 (${"x".repeat(6000)})` });
  },
  async "roles-and-organization"(app) {
    const browser = await app.signedIn();
    app.rows.user[0].role = "admin,editor";
    await browser.ask("/organization/create", { name: "Analytical Engines", slug: "engines" });
    await browser.ask("/organization/set-active", { organizationSlug: "engines" });
    await browser.ask("/get-session?disableCookieCache=true");
    return browser;
  },
  async banned(app) {
    const browser = await app.signedIn();
    Object.assign(app.rows.user[0], { banned: true, banReason: "spam" });
    await browser.ask("/get-session?disableCookieCache=true");
    return browser;
  },
  async impersonated(app) {
    const [browser] = [await app.signedIn(), await app.signedIn({ name: "Grace Hopper" })];
    app.rows.user[0].role = "admin";
    await browser.ask("/get-session?disableCookieCache=true");
    await browser.ask("/admin/impersonate-user", { userId: app.rows.user[1].id });
    return browser;
  },
  async anonymous(app) {
    const browser = app.browser();
    await browser.ask("/sign-in/anonymous", {});
    return browser;
  },
  async "verified-email"(app) {
    const browser = await app.signedIn();
    await browser.ask(`/verify-email?token=${app.mails[0].token}`);
    await browser.ask("/get-session?disableCookieCache=true");
    return browser;
  },
  async "second-factor"(app) {
    const browser = await app.signedIn();
    await browser.ask("/two-factor/enable", { password: PASSWORD });
    return browser;
  },
};

const SETTINGS = {
  secure: SECURE,
  prefix: { advanced: { cookiePrefix: "acme" } },
  "renamed-secure": {
    ...SECURE,
    advanced: { cookies: { session_token: { name: "sid" }, session_data: { name: "sid.cache" } } },
  },
  version: { version: "2026-03" },
};

const TEXTS = {
  decoys: { notes: "beside cookies whose names only look like its own" },
  banned: { notes: "banned in the database since the sign-in; Better Auth's get-session does not look at it" },
  "large-user-agent": { notes: "the client chose its own chunks by the length of its User-Agent" },
  anonymous: { notes: "a session like any other, of a user whose isAnonymous is true" },
  impersonated: { notes: "an administrator acts as this user; the browser also holds admin_session and dont_remember" },
};

export async function cookieCaches() {
  for (const strategy of STRATEGIES) {
    for (const [name, scene] of Object.entries(SCENES)) {
      const app = new BetterAuth({ strategy, ...SETTINGS[name] });
      await accepted(app, await scene(app), name, TEXTS[name]);
    }
    for (const [name, text] of Object.entries(NAMES)) {
      const app = new BetterAuth({ strategy });
      await accepted(app, await app.signedIn({ name: text }), `name-${name}`);
    }
    await namedLikeADate(strategy);
    await chunksInAnyOrder(strategy);
    await rotated(strategy);
  }
}

async function namedLikeADate(strategy) {
  const app = new BetterAuth({ strategy });
  await accepted(app, await app.signedIn({ name: "2024-01-01T00:00:00Z" }), "name-like-a-date", {
    differs:
      "Better Auth reads the name as a date, does not find its own signature or its own schema, and asks the database",
  });
}

async function chunksInAnyOrder(strategy) {
  const app = new BetterAuth({ strategy });
  const browser = await app.signedIn({ biography: "x".repeat(6000) });
  browser.jar = new Map([...browser.jar].reverse());
  await accepted(app, browser, "chunks-reversed", { notes: "the order of cookies in a request means nothing" });
}

async function rotated(strategy) {
  const [old, current] = [randomSecret(), randomSecret()];
  const before = new BetterAuth({ strategy, secret: old });
  const browser = await before.signedIn({ email: "ada@example.test" });
  const headers = browser.headers();
  const identity = await before.identity(browser);
  const secrets = [
    { version: 2, value: current },
    { version: 1, value: old },
  ];
  const after = before.again({ secrets, secret: old });
  const both = {
    kind: kind(strategy),
    producer: PRODUCER,
    headers,
    config: { ...(await before.config()), secrets, secret: current },
    expiresAt: expiry(before, await sessionData(before, browser)),
    reference: await after.verdict(headers),
  };
  const reason = "session_token was signed by the previous secret";
  collect({ ...both, name: `ba-${strategy}-rotated-old`, expected: reason });
  collect({
    ...both,
    name: `ba-${strategy}-rotated-old-lenient`,
    config: { ...both.config, signed_cookie_secrets: "all" },
    expected: identity,
    differs:
      "Better Auth signs everybody out when its secret changes; a verifier may be told to accept the old one still",
  });
  const fresh = after.browser();
  await fresh.ask("/sign-in/email", { email: "ada@example.test", password: PASSWORD });
  await accepted(after, fresh, "rotated-new");
}
