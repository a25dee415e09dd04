// Auth.js v5: session cookies of users who signed in over HTTP, and tokens that its encode() makes from other payloads.
import { Auth } from "@auth/core";
import { encode, getToken } from "@auth/core/jwt";
import Credentials from "@auth/core/providers/credentials";
import { hkdfSync, randomUUID } from "node:crypto";
import { EncryptJWT } from "jose";
import { encode as encodeV4 } from "next-auth/jwt";
import { at, issuedAt } from "./clock.mjs";
import { collect, derive, deriveOutlived, deriveRefused, verdict } from "./collected.mjs";
import { NAMES, NUMBERS, flipped, jsonPart, randomSecret, withPart } from "./texts.mjs";

const PRODUCER = { library: "@auth/core", version: "0.41.3" };
const KIND = "authjs/v5";
const PLAIN = "authjs.session-token";
const SECURE = "__Secure-authjs.session-token";
const MONTH_SECONDS = 2_592_000;
const ADA = { id: "user_42", name: "Ada Lovelace", email: "ada@example.test" };

/** Sign *user* in with the Credentials provider, and return all cookies that the browser then has. */
export async function signIn({ secret, url = "http://app.example.test", user = ADA, claims = {}, cookies }) {
  const config = {
    secret,
    trustHost: true,
    basePath: "/auth",
    cookies,
    session: { strategy: "jwt" },
    logger: { error() {}, warn() {}, debug() {} },
    providers: [Credentials({ credentials: { name: {} }, authorize: () => user })],
    callbacks: { jwt: ({ token }) => ({ ...token, ...claims }) },
  };
  const jar = new Map();
  const ask = async (path, form) => {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { cookie, ...(form && { "content-type": "application/x-www-form-urlencoded" }) };
    const body = form && new URLSearchParams(form);
    const response = await Auth(
      new Request(`${url}/auth${path}`, { method: form ? "POST" : "GET", headers, body }),
      config,
    );
    for (const line of response.headers.getSetCookie()) {
      const [name, value] = line.slice(0, line.indexOf(";")).split(/=(.*)/s);
      jar.set(name, value);
    }
    return response;
  };
  const { csrfToken } = await (await ask("/csrf")).json();
  const { status, headers } = await ask("/callback/credentials", { csrfToken, name: user.name });
  if (status !== 302 || headers.get("location").includes("error"))
    throw new Error(`Auth.js: ${status} ${headers.get("location")}`);
  return jar;
}

/** Return the claims that Auth.js itself reads from these headers, or null. */
async function claims(headers, { secret, secrets, session_cookie: name }, time = issuedAt() + 5) {
  const req = { headers: new Headers(headers) };
  const how = {
    req,
    secret: secrets ?? secret,
    cookieName: name,
    salt: name,
    logger: { error() {}, warn() {}, debug() {} },
  };
  return at(time, () => getToken(how));
}

const config = (secret, cookie = PLAIN) => ({
  ...(Array.isArray(secret) ? { secrets: secret, secret: secret[0] } : { secret }),
  session_cookie: cookie,
  salt: cookie,
});

const cookieLine = (jar) => ({ cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") });

async function accepted(name, given, headers, { expected = {}, ...texts } = {}) {
  const found = await claims(headers, given);
  return collect({
    name: `authjs-${name}`,
    kind: KIND,
    producer: PRODUCER,
    config: given,
    headers,
    expiresAt: found?.exp ?? issuedAt() + MONTH_SECONDS,
    expected: found && {
      user_id: found.sub,
      email: found.email ?? null,
      name: found.name ?? null,
      token_id: found.jti,
      ...expected,
    },
    reference: verdict(found),
    ...texts,
  });
}

export async function authjs() {
  await signedIn();
  await encoded();
  await refused();
}

async function signedIn() {
  const secret = randomSecret();
  const secure = { secret, url: "https://app.example.test" };
  await accepted("plain", config(secret), cookieLine(await signIn({ secret })), {
    notes: "all cookies that a browser holds",
  });
  await accepted("secure", config(secret, SECURE), cookieLine(await signIn(secure)), {
    notes: "the key depends on the whole cookie name",
  });
  const cookies = {
    sessionToken: { name: "__Host-acme.sid", options: { httpOnly: true, path: "/", secure: true, sameSite: "lax" } },
  };
  await accepted("renamed", config(secret, "__Host-acme.sid"), cookieLine(await signIn({ ...secure, cookies })));
  const roles = { roles: ["admin", "a,b"], email_verified: true };
  await accepted("roles", config(secret), cookieLine(await signIn({ secret, claims: roles })), { expected: roles });
  const large = await signIn({ secret, claims: { biography: "Zoë ".repeat(2200), numbers: NUMBERS } });
  const chunked = await accepted("chunked", config(secret), cookieLine(large));
  await accepted("chunks-reversed", config(secret), cookieLine(new Map([...large].reverse())), {
    notes: "the order of cookies in a request means nothing",
  });
  await besideDecoys(secret);
  const without = new Map([...large].filter(([name]) => name !== `${PLAIN}.1`));
  derive(chunked, {
    name: "without-chunk-1",
    headers: cookieLine(without),
    expected: "a chunk is missing",
    reference: verdict(await claims(cookieLine(without), config(secret))),
  });
  for (const [name, text] of Object.entries(NAMES)) {
    await accepted(`name-${name}`, config(secret), cookieLine(await signIn({ secret, user: { ...ADA, name: text } })));
  }
}

async function besideDecoys(secret) {
  const jar = await signIn({ secret });
  const vector = await accepted("alone", config(secret), cookieLine(jar));
  for (const name of [`${PLAIN}-old`, `${PLAIN}.x`, `x${PLAIN}`]) jar.set(name, "decoy");
  const { accept: _, ...expected } = vector.expected;
  const headers = cookieLine(jar);
  derive(vector, {
    name: "beside-decoys",
    headers,
    expected,
    reference: verdict(await claims(headers, vector.config)),
    differs: "Auth.js joins every cookie whose name only begins like its own",
  });
}

async function encoded() {
  const [old, current] = [randomSecret(), randomSecret()];
  const make = (secret, token = {}, salt = PLAIN) =>
    encode({ secret, salt, token: { sub: ADA.id, email: ADA.email, name: ADA.name, ...token } });
  const both = config([current, old]);
  const before = { cookie: `${PLAIN}=${await make(old)}` };
  await accepted("rotated-new", both, { cookie: `${PLAIN}=${await make([current, old])}` });
  await accepted("rotated-old", both, before, { notes: "made under the second secret; its kid says so" });
  await accepted("numbers", config(old), { cookie: `${PLAIN}=${await make(old, { numbers: NUMBERS })}` });
  await accepted(
    "bearer",
    config(old),
    { authorization: `Bearer ${await make(old)}` },
    {
      notes: "getToken() falls back to Authorization where there is no cookie",
    },
  );
  const info = `Auth.js Generated Encryption Key (${PLAIN})`;
  const key = new Uint8Array(hkdfSync("sha256", old, PLAIN, info, 32));
  const gcm = new EncryptJWT({ sub: ADA.id, email: ADA.email, name: ADA.name }).setProtectedHeader({
    alg: "dir",
    enc: "A256GCM",
  });
  gcm
    .setIssuedAt()
    .setExpirationTime(issuedAt() + MONTH_SECONDS)
    .setJti(randomUUID());
  await accepted(
    "a256gcm",
    config(old),
    { cookie: `${PLAIN}=${await gcm.encrypt(key)}` },
    {
      notes: "an encode of the application's own; Auth.js reads it",
    },
  );
}

async function refused() {
  const secret = randomSecret();
  const own = await encode({ secret, salt: PLAIN, token: { sub: ADA.id, email: ADA.email, name: ADA.name } });
  const vector = await accepted("own", config(secret), { cookie: `${PLAIN}=${own}` });
  const parts = own.split(".");
  const token = { sub: ADA.id, email: ADA.email, name: ADA.name };
  const cases = {
    "tag-flipped": [withPart(own, 4, flipped(parts[4], 5)), "bad tag"],
    "tag-shortened": [withPart(own, 4, parts[4].slice(0, 22)), "bad tag"],
    "ciphertext-flipped": [withPart(own, 3, flipped(parts[3], 20)), "bad tag"],
    "header-changed": [withPart(own, 0, { ...jsonPart(own, 0), typ: "JWT" }), "bad tag"],
    "secure-value": [
      await encode({ secret, salt: SECURE, token }),
      "no key with that kid",
      "the value of the __Secure- cookie under the plain name",
    ],
    "state-cookie": [
      await encode({ secret, salt: "authjs.state", token: { ...token, value: "state" } }),
      "no key with that kid",
      "the cookie that Auth.js keeps during an OAuth sign-in, under the session cookie's name",
    ],
    "next-auth-4": [await encodeV4({ secret, token }), "bad tag", "a session of NextAuth 4 under the same secret"],
    "database-strategy": [
      randomUUID(),
      "not a JWE",
      "the cookie of the strategy database: an id of a row, signed by nobody",
    ],
    garbage: ["bm90IGEgdG9rZW4", "not a JWE"],
  };
  await deriveRefused(vector, claims, (value) => ({ cookie: `${PLAIN}=${value}` }), cases);
  await deriveOutlived(vector, claims, "no key with that kid");
  const nobody = {
    cookie: `${PLAIN}=${await encode({ secret, salt: PLAIN, token: { email: ADA.email, name: ADA.name } })}`,
  };
  derive(vector, {
    name: "without-subject",
    headers: nobody,
    expected: "no subject",
    reference: verdict(await claims(nobody, vector.config)),
    differs: "Auth.js needs no user id; whoever stands behind a gateway would take a user without one for anonymous",
  });
}
