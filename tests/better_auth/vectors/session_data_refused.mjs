// Cookie caches that must be refused: forged, expired, or a genuine token for another purpose.
import { createHmac } from "node:crypto";
import { SignJWT } from "jose";
import { BetterAuth, withCookies } from "./better_auth.mjs";
import { issuedAt } from "./clock.mjs";
import { derive } from "./collected.mjs";
import { STRATEGIES, accepted, sessionData } from "./session_data.mjs";
import { base64url, flipped, jsonPart, randomSecret, withPart } from "./texts.mjs";

const GOOGLE = { clientId: "client", clientSecret: "client-secret", verifyIdToken: async () => true };

export async function refusedCookieCaches() {
  for (const strategy of STRATEGIES) {
    const app = new BetterAuth({
      strategy,
      socialProviders: { google: GOOGLE },
      account: { storeAccountCookie: true },
    });
    const [browser, other] = [await app.signedIn(), await app.signedIn({ name: "Grace Hopper" })];
    const vector = await accepted(app, browser, "own");
    const names = await app.cookieNames();
    const own = browser.jar.get(names.data);
    const refuse = async (name, data, reason, texts = {}) => {
      const headers = withCookies(vector.request.headers, { [names.data]: data });
      derive(vector, { name, headers, expected: reason, reference: await app.verdict(headers), ...texts });
    };
    await refuseTampered(strategy, own, refuse);
    await refuseTrueTokens(app, browser, own, refuse);
    await refuse("of-another-user", other.jar.get(names.data), "session_data is another session's", {
      misuse: "a true session_data beside a true session_token, of two users",
    });
    await refuse("garbage", "bm90IGEgdG9rZW4", "not a token");
    await refuse("empty", "", "no session_data");
    await refuse("session-token-alone", undefined, "no session_data, and nothing else to ask");
    await refuseTheFrame(app, vector, other, names);
  }
  await sessionOverBeforeTheCookie();
  await versionsThatDiffer();
  await missingChunk();
}

async function refuseTampered(strategy, own, refuse) {
  const id = (payload) => ({ ...payload, user: { ...payload.user, id: "somebody-else", role: "admin" } });
  if (strategy === "compact") {
    const outer = JSON.parse(Buffer.from(own, "base64url"));
    const again = (changes) => base64url(JSON.stringify({ ...outer, ...changes }));
    await refuse("signature-flipped", again({ signature: flipped(outer.signature, 5) }), "bad signature");
    await refuse("user-changed", again({ session: id(outer.session) }), "bad signature");
    await refuse("expiry-changed", again({ expiresAt: outer.expiresAt + 86_400_000 }), "bad signature");
    await refuse("no-signature", again({ signature: "" }), "bad signature");
    return;
  }
  if (strategy === "jwe") {
    const parts = own.split(".");
    await refuse("tag-flipped", withPart(own, 4, flipped(parts[4], 5)), "bad tag");
    await refuse("tag-shortened", withPart(own, 4, parts[4].slice(0, 22)), "bad tag");
    await refuse("ciphertext-flipped", withPart(own, 3, flipped(parts[3], 40)), "bad tag");
    await refuse("iv-flipped", withPart(own, 2, flipped(parts[2], 5)), "bad tag");
    await refuse("header-changed", withPart(own, 0, { ...jsonPart(own, 0), typ: "JWT" }), "bad tag");
    await refuse("other-encryption", withPart(own, 0, { ...jsonPart(own, 0), enc: "A256GCM" }), "wrong encryption");
    return;
  }
  const [header, payload] = [jsonPart(own, 0), jsonPart(own, 1)];
  await refuse("signature-flipped", withPart(own, 2, flipped(own.split(".")[2], 5)), "bad signature");
  await refuse("user-changed", withPart(own, 1, id(payload)), "bad signature");
  await refuse("algorithm-none", `${base64url('{"alg":"none"}')}.${own.split(".")[1]}.`, "alg none");
  if (strategy === "jwt-jwks") {
    await refuse("key-unknown", withPart(own, 0, { ...header, kid: "another-key" }), "no key with that kid");
    await refuse("type-changed", withPart(own, 0, { ...header, typ: "JWT" }), "wrong type");
  }
}

/** Tokens that Better Auth itself signed with the same key, for other purposes. */
async function refuseTrueTokens(app, browser, own, refuse) {
  const key = new TextEncoder().encode(app.secret);
  const token = await browser.ask("/token");
  await refuse("api-token", token.json.token, "not a session_data", {
    misuse: "the JWT plugin's token for APIs, put where session_data belongs",
  });
  await refuse("email-verification", app.mails[0].token, "not a session_data", {
    misuse: "the token of the link in the verification mail: HS256 under the same secret, and it has an email",
  });
  await refuse("signed-cookie", browser.jar.get((await app.cookieNames()).token), "not a session_data", {
    misuse: "the signed session_token, put where session_data belongs",
  });
  await refuse("account-data", await accountData(app), "encrypted for another purpose", {
    misuse: "account_data: a JWE under the same secret, derived with another salt",
  });
  if (app.strategy === "jwt") {
    for (const alg of ["HS384", "HS512"]) {
      const forged = await new SignJWT(jsonPart(own, 1)).setProtectedHeader({ alg }).sign(key);
      await refuse(alg.toLowerCase(), forged, "alg", {
        differs: "Better Auth never makes it, though it would accept it",
      });
    }
  }
  for (const strategy of ["compact", "jwt", "jwe"]) {
    if (strategy === app.strategy) continue;
    const another = new BetterAuth({ strategy, secret: app.secret });
    const data = await sessionData(another, await another.signedIn());
    await refuse(`strategy-${strategy}`, data, "another strategy's", {
      misuse: `a true session_data of the strategy ${strategy}`,
    });
  }
  if (app.strategy === "compact") {
    // The text that compact signs has no marker of its purpose. Other JSON signed with the same secret must be refused.
    const text = JSON.stringify({ session: { user: "x" }, expiresAt: Date.now() + 3_600_000 });
    const signature = createHmac("sha256", app.secret).update(text).digest("base64url");
    await refuse("no-user", base64url(`${text.slice(0, -1)},"signature":"${signature}"}`), "not a session_data");
  }
}

/** Sign in with Google's ID token, and return the account_data cookie that Better Auth sets. */
async function accountData(app) {
  const browser = app.browser();
  const person = { sub: "google-1", email: "account@example.test", email_verified: true, name: "Account" };
  const idToken = `${base64url('{"alg":"none"}')}.${base64url(JSON.stringify(person))}.`;
  await browser.ask("/sign-in/social", { provider: "google", idToken: { token: idToken } });
  return browser.jar.get((await app.cookieNames()).account);
}

/** Vectors with the same session_data, but another secret, another time or another session_token. */
async function refuseTheFrame(app, vector, other, names) {
  const headers = vector.request.headers;
  const secret = randomSecret();
  const wrongSecret = app.again({ secret });
  derive(vector, {
    name: "wrong-secret",
    config: { secret },
    expected: "bad signature",
    reference: await wrongSecret.verdict(headers),
  });
  const late = vector.expires_at + 60;
  derive(vector, {
    name: "expired",
    verifyAt: late,
    expected: "expired",
    reference: await app.verdict(headers, { time: late }),
  });
  const frames = {
    "no-session-token": [undefined, "no session_token", "session_data alone, as getCookieCache() would accept it"],
    "session-token-unsigned": [vector.expected.session_token, "no signature"],
    "session-token-flipped": [flipped(browserValue(headers, names.token), 40), "bad signature"],
    "session-token-of-another-user": [other.jar.get(names.token), "session_data is another session's"],
  };
  for (const [name, [value, reason, misuse]] of Object.entries(frames)) {
    const changed = withCookies(headers, { [names.token]: value });
    derive(vector, { name, headers: changed, expected: reason, reference: await app.verdict(changed), misuse });
  }
}

const browserValue = (headers, name) =>
  headers.cookie
    .split("; ")
    .find((pair) => pair.startsWith(`${name}=`))
    .slice(name.length + 1);

async function sessionOverBeforeTheCookie() {
  for (const strategy of STRATEGIES) {
    const app = new BetterAuth({ strategy, maxAge: 3600, session: { expiresIn: 120 } });
    const vector = await accepted(app, await app.signedIn(), "short-session");
    const time = issuedAt() + 300;
    derive(vector, {
      name: "session-over",
      verifyAt: time,
      expected: "expired",
      reference: await app.verdict(vector.request.headers, { time }),
      misuse: "the session ended; its session_data would be good for an hour",
    });
  }
}

async function versionsThatDiffer() {
  for (const strategy of STRATEGIES) {
    const app = new BetterAuth({ strategy, version: "2026-03" });
    const vector = await accepted(app, await app.signedIn(), "versioned");
    const newer = app.again({ version: "2026-04" });
    const reference = await newer.verdict(vector.request.headers);
    derive(vector, { name: "newer-version", config: { version: "2026-04" }, expected: "version mismatch", reference });
  }
}

async function missingChunk() {
  for (const strategy of STRATEGIES) {
    const app = new BetterAuth({ strategy });
    const vector = await accepted(app, await app.signedIn({ biography: "x".repeat(6000) }), "three-chunks");
    const { data } = await app.cookieNames();
    for (const index of [0, 1, 2]) {
      const headers = withCookies(vector.request.headers, { [`${data}.${index}`]: undefined });
      const reference = await app.verdict(headers);
      derive(vector, { name: `without-chunk-${index}`, headers, expected: "a chunk is missing", reference });
    }
  }
}
