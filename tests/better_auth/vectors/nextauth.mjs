// NextAuth 4: tokens of its encode(), with each cookie name.
import { encode as encodeV5 } from "@auth/core/jwt";
import { createRequire } from "node:module";
import { encode, getToken } from "next-auth/jwt";
import { at, issuedAt } from "./clock.mjs";
import { collect, deriveOutlived, deriveRefused, verdict } from "./collected.mjs";
import { NAMES, NUMBERS, flipped, jsonPart, randomSecret, withPart } from "./texts.mjs";

const PRODUCER = { library: "next-auth", version: "4.24.15" };
const PLAIN = "next-auth.session-token";
const SECURE = "__Secure-next-auth.session-token";
const MONTH_SECONDS = 2_592_000;
const ADA = { sub: "user_42", name: "Ada Lovelace", email: "ada@example.test" };
// The library's own code splits the cookie. Its package does not export that code.
const { SessionStore } = createRequire(import.meta.url)(
  new URL("../node_modules/next-auth/core/lib/cookie.js", import.meta.url).pathname,
);

/** Return the Cookie header that a browser sends after NextAuth set *value*, in chunks if it is long. */
function cookieLine(value, name = PLAIN) {
  const store = new SessionStore({ name, options: {} }, { cookies: {} }, { debug() {} });
  return {
    cookie: store
      .chunk(value, {})
      .map((cookie) => `${cookie.name}=${cookie.value}`)
      .join("; "),
  };
}

async function claims(headers, { secret, session_cookie: cookieName }, time = issuedAt() + 5) {
  const cookies = Object.fromEntries((headers.cookie ?? "").split("; ").map((pair) => pair.split(/=(.*)/s, 2)));
  const req = { cookies, headers: new Headers(headers) };
  return at(time, () => getToken({ req, secret, cookieName }));
}

async function accepted(name, secret, headers, { cookie = PLAIN, expected = {}, ...texts } = {}) {
  const config = { secret, session_cookie: cookie, salt: "" };
  const found = await claims(headers, config);
  return collect({
    name: `nextauth-${name}`,
    kind: "nextauth/v4",
    producer: PRODUCER,
    config,
    headers,
    expiresAt: found?.exp ?? issuedAt() + MONTH_SECONDS,
    expected: found && { user_id: found.sub, email: found.email, name: found.name, token_id: found.jti, ...expected },
    reference: verdict(found),
    ...texts,
  });
}

export async function nextauth() {
  const secret = randomSecret();
  const make = (token = {}) => encode({ secret, token: { ...ADA, ...token } });
  await accepted("plain", secret, cookieLine(await make()));
  await accepted("secure", secret, cookieLine(await make(), SECURE), {
    cookie: SECURE,
    notes: "the same key as for the plain name",
  });
  await accepted("renamed", secret, cookieLine(await make(), "acme.sid"), { cookie: "acme.sid" });
  const roles = { roles: ["admin", "a,b"] };
  await accepted("roles", secret, cookieLine(await make(roles)), { expected: roles });
  const large = cookieLine(await make({ biography: "Zoë ".repeat(2200), numbers: NUMBERS }));
  await accepted("chunked", secret, large);
  await accepted("chunks-reversed", secret, { cookie: large.cookie.split("; ").reverse().join("; ") });
  await accepted("bearer", secret, { authorization: `Bearer ${await make()}` });
  for (const [name, text] of Object.entries(NAMES))
    await accepted(`name-${name}`, secret, cookieLine(await make({ name: text })));
  await refused(secret, await make());
}

async function refused(secret, own) {
  const vector = await accepted("own", secret, cookieLine(own));
  const parts = own.split(".");
  const cases = {
    "tag-flipped": [withPart(own, 4, flipped(parts[4], 5)), "bad tag"],
    "tag-shortened": [withPart(own, 4, parts[4].slice(0, 11)), "bad tag"],
    "ciphertext-flipped": [withPart(own, 3, flipped(parts[3], 20)), "bad tag"],
    "header-changed": [withPart(own, 0, { ...jsonPart(own, 0), typ: "JWT" }), "bad tag"],
    "state-cookie": [
      await encode({ secret, salt: "next-auth.state", token: { ...ADA, value: "state" } }),
      "bad tag",
      "the cookie that NextAuth keeps during an OAuth sign-in, under the session cookie's name (CVE-2023-48309)",
    ],
    "authjs-5": [
      await encodeV5({ secret, salt: PLAIN, token: ADA }),
      "wrong encryption",
      "a session of Auth.js 5 under the same secret",
    ],
  };
  await deriveRefused(vector, claims, cookieLine, cases);
  await deriveOutlived(vector, claims, "bad tag");
}
