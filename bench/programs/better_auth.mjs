// A real Better Auth in its fastest setup, on loopback: rows in memory, no plugin, no cookie cache, no rate limit.
// The environment sets PORT, SECRET and SESSIONS (the number of signed-in users). GET /bench/tokens lists their tokens.
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";

const { PORT, SECRET, SESSIONS } = process.env;
const auth = betterAuth({
  baseURL: `http://127.0.0.1:${PORT}`,
  secret: SECRET,
  database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
});

const { internalAdapter } = await auth.$context;
const tokens = [];
for (let number = 0; number < Number(SESSIONS); number++) {
  const email = `user-${String(number).padStart(8, "0")}@example.com`;
  const user = await internalAdapter.createUser({ email, name: `User ${number}`, emailVerified: true });
  tokens.push((await internalAdapter.createSession(user.id)).token);
}

const handler = toNodeHandler(auth);
createServer((request, response) => {
  if (request.url === "/bench/tokens") response.end(JSON.stringify(tokens));
  else handler(request, response);
}).listen(Number(PORT), "127.0.0.1");
