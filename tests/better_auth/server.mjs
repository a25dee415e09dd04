// The real Better Auth with its JWT plugin, keeping its rows in memory and, when told, in the file ROWS.
// PORT, ROWS and OPTIONS (JSON) come from the environment:
// {baseURL, algorithm, rotationInterval, gracePeriod (both in seconds), jwt: {issuer, audience, expirationTime}}
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { deserialize, serialize } from "node:v8";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";
import { bearer, jwt } from "better-auth/plugins";

const options = JSON.parse(process.env.OPTIONS);
const rows = existsSync(process.env.ROWS)
  ? deserialize(readFileSync(process.env.ROWS))
  : { user: [], session: [], account: [], verification: [], jwks: [] };
const auth = betterAuth({
  baseURL: options.baseURL,
  secret: process.env.BETTER_AUTH_SECRET,
  database: memoryAdapter(rows),
  emailAndPassword: { enabled: true },
  user: { additionalFields: { role: { type: "string", required: false } } },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [
    bearer(),
    jwt({
      jwks: {
        // No algorithm given: what Better Auth does by itself, EdDSA.
        keyPairConfig: options.algorithm ? { alg: options.algorithm } : undefined,
        rotationInterval: options.rotationInterval,
        gracePeriod: options.gracePeriod,
      },
      jwt: options.jwt,
    }),
  ],
});
const answer = toNodeHandler(auth);

createServer((request, response) => {
  if (request.url === "/test/expire-keys") {
    // What `rotationInterval` does with time: Better Auth makes a new key when it signs next.
    for (const row of rows.jwks) row.expiresAt ??= new Date();
    for (const row of rows.jwks) if (row.expiresAt > new Date()) row.expiresAt = new Date();
    response.end(JSON.stringify({ expired: rows.jwks.length }));
    return;
  }
  if (request.url === "/test/keep-rows") {
    writeFileSync(process.env.ROWS, serialize(rows));
    response.end();
    return;
  }
  answer(request, response);
}).listen(Number(process.env.PORT), "127.0.0.1");
