// Better Auth's signed session_token, as a cookie and as a bearer token. Only the session store knows its user.
import { BetterAuth, PASSWORD, PRODUCER, sessionToken, withCookies } from "./better_auth.mjs";
import { issuedAt } from "./clock.mjs";
import { collect, derive, verdict } from "./collected.mjs";
import { NAMES, flipped, randomSecret } from "./texts.mjs";

const WEEK_SECONDS = 604_800;
const COOKIE = "better-auth/session-token";
const BEARER = "better-auth/bearer-session";

/** Return a session store with every session of *app*: get-session's answers by token. */
async function sessions(app) {
  const { token } = await app.cookieNames();
  const signed = await Promise.all(
    app.rows.session.map(async (row) => {
      const answer = await app.getSession(
        { cookie: `${token}=${await sign(app, row.token)}` },
        { store: true, time: issuedAt() },
      );
      return [row.token, answer];
    }),
  );
  return Object.fromEntries(signed.filter(([, answer]) => answer));
}

async function sign(app, text) {
  const key = await crypto.subtle.importKey("raw", Buffer.from(app.secret), { name: "HMAC", hash: "SHA-256" }, false, [
    "sign",
  ]);
  const signature = Buffer.from(await crypto.subtle.sign("HMAC", key, Buffer.from(text))).toString("base64");
  return encodeURIComponent(`${text}.${signature}`);
}

async function accepted(app, browser, name, { kind = COOKIE, headers, config, ...texts } = {}) {
  const { token } = await app.cookieNames();
  headers ??= withCookies({ "user-agent": browser.userAgent }, { [token]: browser.jar.get(token) });
  return collect({
    name: `ba-session-${name}`,
    kind,
    producer: PRODUCER,
    config: { ...(await app.config()), sessions: await sessions(app), ...config },
    headers,
    expiresAt: issuedAt() + WEEK_SECONDS,
    expected: await app.identity(browser),
    reference: await app.verdict(headers, { store: true }),
    ...texts,
  });
}

export async function sessionTokens() {
  await cookies();
  await trueValuesOfOtherCookies();
  await bearerTokens();
  await rotated();
}

async function cookies() {
  const settings = {
    plain: {},
    secure: { baseURL: "https://app.example.test" },
    renamed: { advanced: { cookiePrefix: "acme", cookies: { session_token: { name: "sid" } } } },
  };
  for (const [name, given] of Object.entries(settings)) {
    const app = new BetterAuth(given);
    await app.signedIn({ name: "Grace Hopper" });
    await accepted(app, await app.signedIn({ name: NAMES["lone-surrogate"] }), name);
  }
  const app = new BetterAuth();
  const browser = await app.signedIn();
  const vector = await accepted(app, browser, "own");
  const { token: name } = await app.cookieNames();
  const value = browser.jar.get(name);
  const decoded = decodeURIComponent(value);
  const change = async (label, cookie, expected, texts = {}) => {
    const headers = withCookies(vector.request.headers, { [name]: cookie });
    return derive(vector, {
      name: label,
      headers,
      expected,
      reference: await app.verdict(headers, { store: true }),
      ...texts,
    });
  };
  const { accept: _, ...identity } = vector.expected;
  await change("not-percent-encoded", decoded, identity);
  await change("quoted", `"${decoded}"`, identity);
  await change("signature-flipped", flipped(value, 40), "bad signature");
  await change("token-changed", flipped(value, 3), "bad signature");
  await change("unsigned", sessionToken(value), "no signature");
  await change("signature-shortened", encodeURIComponent(decoded.slice(0, -1)), "bad signature");
  await change("empty", "", "no credential");
  await refuseByTheStore(app, browser, vector);
}

async function refuseByTheStore(app, browser, vector) {
  const { headers } = vector.request;
  const secret = randomSecret();
  const wrongSecret = await app.again({ secret }).verdict(headers, { store: true });
  derive(vector, { name: "wrong-secret", config: { secret }, expected: "bad signature", reference: wrongSecret });
  const time = issuedAt() + WEEK_SECONDS + 60;
  const kept = [...app.rows.session];
  derive(vector, {
    name: "expired",
    verifyAt: time,
    expected: "expired",
    reference: await app.verdict(headers, { time, store: true }),
  });
  app.rows.session.splice(0, app.rows.session.length, ...kept);
  await browser.ask("/sign-out", {});
  derive(vector, {
    name: "signed-out",
    config: { sessions: await sessions(app) },
    expected: "signature good, session gone",
    reference: await app.verdict(headers, { store: true }),
    misuse: "a copy of the cookie after the user signed out",
  });
}

/** One key signs every cookie, and the signature does not cover its name. Send each one as session_token. */
async function trueValuesOfOtherCookies() {
  const app = new BetterAuth();
  const name = "better-auth";
  const browser = await app.signedIn({ email: "ada@example.test" });
  await browser.ask("/two-factor/enable", { password: PASSWORD });
  const vector = await accepted(app, browser, "with-second-factor");
  const pending = app.browser();
  await pending.ask("/sign-in/email", { email: "ada@example.test", password: PASSWORD, rememberMe: false });
  if (pending.jar.has(`${name}.session_token`)) throw new Error("signed in without the second factor");
  const headers = pending.headers();
  derive(vector, {
    name: "second-factor-pending",
    headers,
    expected: "no credential",
    reference: await app.verdict(headers, { store: true }),
    misuse: "the cookies of a browser whose user still owes the second factor",
  });
  const values = {
    two_factor: "who still owes the second factor",
    dont_remember: "that the user is not to be remembered",
  };
  for (const [cookie, meaning] of Object.entries(values)) {
    const moved = withCookies(vector.request.headers, {
      [`${name}.session_token`]: pending.jar.get(`${name}.${cookie}`),
    });
    derive(vector, {
      name: cookie.replace("_", "-"),
      headers: moved,
      expected: "signature good, no session",
      reference: await app.verdict(moved, { store: true }),
      misuse: `the signed value of ${cookie} (${meaning}) as session_token: its signature holds`,
    });
  }
  const [boss, target] = [await app.signedIn({ name: "Boss" }), await app.identity(browser)];
  app.rows.user.find((row) => row.name === "Boss").role = "admin";
  const administrator = await app.identity(boss);
  await boss.ask("/admin/impersonate-user", { userId: target.user_id });
  const acting = await accepted(app, boss, "impersonated");
  const moved = withCookies(acting.request.headers, {
    [`${name}.session_token`]: boss.jar.get(`${name}.admin_session`),
  });
  derive(acting, {
    name: "admin-session",
    headers: moved,
    expected: "signature good, no session",
    reference: await app.verdict(moved, { store: true }),
    misuse: `admin_session (the token of ${administrator.email}'s own session, and a colon) as session_token`,
  });
}

async function bearerTokens() {
  const app = new BetterAuth();
  const browser = app.browser();
  const { json, headers } = await browser.ask("/sign-up/email", {
    name: NAMES.emoji,
    email: "ada@example.test",
    password: PASSWORD,
  });
  const signed = headers.get("set-auth-token"); // as an application stores it, not percent-encoded
  const shapes = {
    signed: `Bearer ${signed}`,
    "signed-percent-encoded": `Bearer ${encodeURIComponent(signed)}`,
    "signed-lower-case-scheme": `bearer ${signed}`,
    raw: `Bearer ${json.token}`,
  };
  const lines = (authorization) => ({ "user-agent": browser.userAgent, authorization });
  for (const [name, authorization] of Object.entries(shapes)) {
    await accepted(app, browser, `bearer-${name}`, { kind: BEARER, headers: lines(authorization) });
  }
  const strict = app.again({ bearerPlugin: { requireSignature: true } });
  const config = { bearer_require_signature: true };
  const vector = await accepted(strict, browser, "bearer-strict", {
    kind: BEARER,
    headers: lines(shapes.signed),
    config,
  });
  const refused = {
    raw: [shapes.raw, "no signature", "the raw token, which stands in the database and in each cookie cache"],
    "signature-flipped": [`Bearer ${flipped(signed, 40)}`, "bad signature"],
    "token-changed": [`Bearer ${flipped(signed, 3)}`, "bad signature"],
    "unknown-raw": [`Bearer ${"A".repeat(32)}`, "no session"],
    "other-scheme": [`Token ${signed}`, "no credential"],
  };
  for (const [name, [authorization, expected, misuse]] of Object.entries(refused)) {
    const headers = lines(authorization);
    derive(vector, { name, headers, expected, misuse, reference: await strict.verdict(headers, { store: true }) });
  }
}

async function rotated() {
  const [old, current] = [randomSecret(), randomSecret()];
  const before = new BetterAuth({ secret: old });
  const browser = await before.signedIn();
  const vector = await accepted(before, browser, "before-rotation");
  const secrets = [
    { version: 2, value: current },
    { version: 1, value: old },
  ];
  const { headers } = vector.request;
  const reference = await before.again({ secrets, secret: undefined }).verdict(headers, { store: true });
  derive(vector, {
    name: "rotated",
    config: { secrets, secret: current },
    expected: "signed by the previous secret",
    reference,
  });
  const { accept: _, ...expected } = vector.expected;
  derive(vector, {
    name: "rotated-lenient",
    config: { secrets, secret: current, signed_cookie_secrets: "all" },
    expected,
    reference,
    differs:
      "Better Auth signs everybody out when its secret changes; a verifier may be told to accept the old one still",
  });
}
