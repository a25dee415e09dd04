// The real Better Auth, on loopback. PORT, ROWS and OPTIONS (JSON) come from the environment. The options:
// {baseURL, secret or secrets,
//  algorithm, rotationInterval, gracePeriod (both in seconds), jwt: {issuer, audience, expirationTime},
//  strategy ("compact", "jwt", "jwe" or "jwt-jwks"; without it, no cookie cache), cookieCacheMaxAge, version,
//  sessionExpiresIn, postgres (a DSN; without it, rows are in memory; /test/keep-rows writes them to the file ROWS),
//  redis (a URL; it stores the sessions),
//  rateLimit: {window, max}, advanced, bearer, hosts with protocol (baseURL's allowedHosts, instead of baseURL),
//  customSession (get-session then leaves out what the user's name says: "no token", "no session")}
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { deserialize, serialize } from "node:v8";
import { createClient } from "@redis/client";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { admin, anonymous, bearer, customSession, jwt, organization, twoFactor } from "better-auth/plugins";
import pg from "pg";
import { emptyRows } from "./rows.mjs";
import { Wire } from "./wire.mjs";

const options = JSON.parse(process.env.OPTIONS);
const rows = existsSync(process.env.ROWS)
  ? deserialize(readFileSync(process.env.ROWS))
  : emptyRows();

async function redisStorage(url) {
  const client = createClient({ url });
  await client.connect();
  return {
    get: (key) => client.get(key),
    set: (key, value, ttl) => client.set(key, value, ttl ? { expiration: { type: "EX", value: ttl } } : {}),
    delete: async (key) => void (await client.del(key)),
    getAndDelete: (key) => client.getDel(key),
  };
}

function leaveOut({ user, session }) {
  if (user.name === "no session") return { user };
  const { token, ...rest } = session;
  return { user, session: user.name === "no token" ? rest : session };
}

const auth = betterAuth({
  baseURL: options.hosts ? { allowedHosts: options.hosts, protocol: options.protocol } : options.baseURL,
  secret: options.secret,
  secrets: options.secrets,
  database: options.postgres ? new pg.Pool({ connectionString: options.postgres }) : memoryAdapter(rows),
  secondaryStorage: options.redis ? await redisStorage(options.redis) : undefined,
  emailAndPassword: { enabled: true },
  session: {
    expiresIn: options.sessionExpiresIn,
    cookieCache: {
      enabled: Boolean(options.strategy),
      strategy: options.strategy === "jwt-jwks" ? "jwt" : options.strategy,
      maxAge: options.cookieCacheMaxAge,
      version: options.version,
    },
  },
  rateLimit: {
    enabled: Boolean(options.rateLimit),
    storage: "memory",
    customRules: { "/sign-in/*": false, "/sign-up/*": false },
    ...options.rateLimit,
  },
  telemetry: { enabled: false },
  advanced: options.advanced,
  plugins: [
    admin(),
    anonymous(),
    bearer(options.bearer),
    ...(options.customSession ? [customSession(async (found) => leaveOut(found))] : []),
    organization(),
    twoFactor(),
    jwt({
      sessionCookieCache: options.strategy === "jwt-jwks",
      jwks: {
        // Without an algorithm, Better Auth uses its default, EdDSA.
        keyPairConfig: options.algorithm ? { alg: options.algorithm } : undefined,
        rotationInterval: options.rotationInterval,
        gracePeriod: options.gracePeriod,
      },
      jwt: options.jwt,
    }),
  ],
});
if (options.postgres) await (await getMigrations(auth.options)).runMigrations();

const { adapter } = await auth.$context;
const byId = (id) => [{ field: "id", value: id }];
const wire = new Wire();

// What only tests can do: change the database without Better Auth, and control the wire in front of it.
const test = {
  async "expire-keys"() {
    // The same happens when `rotationInterval` has passed: Better Auth makes a new key for its next signature.
    const now = new Date();
    const keys = await adapter.findMany({ model: "jwks" });
    for (const { id, expiresAt } of keys) {
      if (!expiresAt || expiresAt > now)
        await adapter.update({ model: "jwks", where: byId(id), update: { expiresAt: now } });
    }
    return { expired: keys.length };
  },
  "keep-rows": () => writeFileSync(process.env.ROWS, serialize(rows)),
  "update-user": ({ id, ...update }) => adapter.update({ model: "user", where: byId(id), update }),
  "update-session": ({ token, expiresAt }) =>
    adapter.update({
      model: "session",
      where: [{ field: "token", value: token }],
      update: { expiresAt: new Date(expiresAt * 1000) },
    }),
  "delete-session": ({ token }) => adapter.delete({ model: "session", where: [{ field: "token", value: token }] }),
  counts: () => wire.counts,
  "last-headers": () => wire.lastHeaders,
  delay: ({ seconds }) => wire.delay(seconds),
  pause: () => wire.pause(),
  resume: () => wire.resume(),
  answer: (canned) => wire.answer(canned),
};

async function body(request) {
  const chunks = await request.toArray();
  return chunks.length ? JSON.parse(Buffer.concat(chunks)) : {};
}

const visitor = toNodeHandler(auth);
async function answer(request, response) {
  const asked = request.url.startsWith("/test/") && test[request.url.slice("/test/".length)];
  if (asked) response.end(JSON.stringify((await asked(await body(request))) ?? null));
  else if (await wire.passes(request, response)) await visitor(request, response);
}

createServer((request, response) => {
  answer(request, response).catch((error) => response.writeHead(500).end(String(error?.stack)));
}).listen(Number(process.env.PORT), "127.0.0.1");
