// The JWT plugin's tokens for APIs with each of its algorithms, and what else the same keys or the same secret sign.
import { SignJWT } from "jose";
import { BetterAuth, PRODUCER } from "./better_auth.mjs";
import { at, issuedAt } from "./clock.mjs";
import { collect, derive, verdict } from "./collected.mjs";
import { sessionData } from "./session_data.mjs";
import { NAMES, NUMBERS, base64url, flipped, jsonPart, withPart } from "./texts.mjs";

const ALGORITHMS = ["EdDSA", "ES256", "ES512", "RS256", "PS256"];
const KIND = "better-auth/jwt";
/** The kind for an issuer of preset jwt with the secret itself, as AuthGate makes it without a configuration file. */
const SHARED_SECRET = "jwt";

async function verified(app, token, time = issuedAt() + 5, issuer = undefined) {
  return at(time, async () => {
    try {
      const { payload } = await app.auth.api.verifyJWT({ body: { token, issuer } });
      return verdict(payload);
    } catch {
      return verdict(null);
    }
  });
}

const bearer = (token) => ({ authorization: `Bearer ${token}` });

async function accepted(app, token, name, { algorithms = ["EdDSA"], config = {}, expected = {}, ...texts } = {}) {
  const { sub, email, name: called, emailVerified, role, exp, iss, aud } = jsonPart(token, 1);
  return collect({
    name: `ba-jwt-plugin-${name}`,
    kind: KIND,
    producer: { ...PRODUCER, plugin: "jwt" },
    config: { jwks: await app.jwks(), issuer: iss, audience: [aud].flat()[0], algorithms, ...config },
    headers: bearer(token),
    expiresAt: exp,
    expected: {
      user_id: sub,
      email,
      email_verified: emailVerified,
      name: called,
      session_id: null,
      ...(role && { role }),
      ...expected,
    },
    reference: await verified(app, token),
    ...texts,
  });
}

export async function apiTokens() {
  for (const algorithm of ALGORITHMS) await tokensOf(algorithm);
  await settings();
  await rotated();
  await signedForOtherPurposes();
}

async function tokensOf(alg) {
  const app = new BetterAuth({ jwtPlugin: { jwks: { keyPairConfig: { alg } } } });
  const browser = await app.signedIn({ name: NAMES["beyond-ascii"] });
  const { token } = (await browser.ask("/token")).json;
  const vector = await accepted(app, token, alg.toLowerCase(), { algorithms: [alg] });
  const late = vector.expires_at + 60;
  derive(vector, { name: "expired", verifyAt: late, expected: "expired", reference: await verified(app, token, late) });
  const { kid } = jsonPart(token, 0);
  const [x] = [Object.entries(vector.config.jwks.keys[0]).find(([member]) => member === "x" || member === "n")[1]];
  const confused = new SignJWT(jsonPart(token, 1)).setProtectedHeader({ alg: "HS256", kid });
  const forged = {
    "signature-flipped": [withPart(token, 2, flipped(token.split(".")[2], 5)), "bad signature"],
    "payload-changed": [withPart(token, 1, { ...jsonPart(token, 1), sub: "somebody-else" }), "bad signature"],
    "algorithm-none": [`${base64url(JSON.stringify({ alg: "none", kid }))}.${token.split(".")[1]}.`, "alg none"],
    "key-unknown": [withPart(token, 0, { alg, kid: "another-key" }), "no key with that kid"],
    "public-key-as-secret": [
      await confused.sign(Buffer.from(x, "base64url")),
      "alg",
      "HS256 with the public key as its secret",
    ],
  };
  for (const [name, [text, reason, misuse]] of Object.entries(forged)) {
    derive(vector, { name, headers: bearer(text), expected: reason, misuse, reference: await verified(app, text) });
  }
  if (alg !== "EdDSA") return;
  const other = "https://other.example.test";
  derive(vector, {
    name: "wrong-issuer",
    config: { issuer: other },
    expected: "issuer mismatch",
    reference: await verified(app, token, undefined, other),
  });
  derive(vector, { name: "wrong-audience", config: { audience: other }, expected: "audience mismatch" });
}

async function settings() {
  const definePayload = ({ user, session }) => ({
    email: user.email,
    sid: session.id,
    roles: ["admin", "a,b"],
    org: "engines",
  });
  const claims = new BetterAuth({
    jwtPlugin: { jwt: { definePayload, audience: ["tasks", "notes"], issuer: "https://issuer.example.test" } },
  });
  const browser = await claims.signedIn();
  const { token } = (await browser.ask("/token")).json;
  const session_id = claims.rows.session[0].id;
  await accepted(claims, token, "own-claims", {
    config: { session_id_claim: "sid" },
    expected: { session_id, roles: ["admin", "a,b"] },
    notes: "definePayload: sid, roles, org",
  });
  const people = {
    "lone-surrogate": { name: NAMES["lone-surrogate"] },
    numbers: { numbers: NUMBERS, ratio: 1e-7 },
    large: { biography: "Zoë ".repeat(2000) },
  };
  for (const [name, person] of Object.entries(people)) {
    const app = new BetterAuth();
    const { json } = await (await app.signedIn(person)).ask("/token");
    await accepted(app, json.token, name);
  }
  const anonymous = new BetterAuth();
  const nobody = anonymous.browser();
  await nobody.ask("/sign-in/anonymous", {});
  await accepted(anonymous, (await nobody.ask("/token")).json.token, "anonymous", { expected: { is_anonymous: true } });
}

async function rotated() {
  const app = new BetterAuth();
  const browser = await app.signedIn();
  const old = (await browser.ask("/token")).json.token;
  app.rows.jwks[0].expiresAt = new Date();
  const current = (await browser.ask("/token")).json.token;
  await accepted(app, old, "rotated-old", { notes: "two keys; the old one is published for its grace period" });
  const vector = await accepted(app, current, "rotated-new", { notes: "two keys" });
  const keys = vector.config.jwks.keys.filter((key) => key.kid !== jsonPart(current, 0).kid);
  derive(vector, { name: "key-not-yet-known", config: { jwks: { keys } }, expected: "no key with that kid" });
}

/** Tokens for other purposes, sent as bearer tokens to an API. */
async function signedForOtherPurposes() {
  const cached = new BetterAuth({ strategy: "jwt-jwks" });
  const browser = await cached.signedIn();
  const vector = await accepted(cached, (await browser.ask("/token")).json.token, "beside-the-cookie-cache");
  const data = await sessionData(cached, browser);
  derive(vector, {
    name: "session-data",
    headers: bearer(data),
    expected: "audience mismatch, and another type",
    reference: await verified(cached, data),
    misuse: "the cookie cache signed by the same keys, as a bearer token",
  });
  const shared = new BetterAuth({ strategy: "jwt" });
  const holder = await shared.signedIn();
  const tokens = {
    "email-verification": [
      shared.mails[0].token,
      "the token of the link in the verification mail: a valid HS256, with an email",
    ],
    "session-data": [
      await sessionData(shared, holder),
      "the cookie cache of strategy jwt: a valid HS256, with a whole user",
    ],
  };
  for (const [name, [token, misuse]] of Object.entries(tokens)) {
    collect({
      name: `ba-shared-secret-${name}`,
      kind: SHARED_SECRET,
      producer: PRODUCER,
      config: { secret: shared.secret, algorithms: ["HS256"] },
      headers: bearer(token),
      expiresAt: jsonPart(token, 1).exp,
      expected: "no subject, and not an API's token",
      misuse: `${misuse}, as a bearer token of an API under the same secret`,
    });
  }
}
