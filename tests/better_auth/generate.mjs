// Prints fresh vectors as one JSON list: real tokens and cookies of Better Auth, Auth.js and NextAuth, the verifier's
// configuration, the expected result, and the library's own verdict. Usage: node generate.mjs [UNIX_SECONDS]
import { apiTokens } from "./vectors/api_tokens.mjs";
import { authjs } from "./vectors/authjs.mjs";
import { start } from "./vectors/clock.mjs";
import { collected } from "./vectors/collected.mjs";
import { nextauth } from "./vectors/nextauth.mjs";
import { oauth } from "./vectors/oauth.mjs";
import { cookieCaches } from "./vectors/session_data.mjs";
import { refusedCookieCaches } from "./vectors/session_data_refused.mjs";
import { sessionTokens } from "./vectors/session_token.mjs";

start(Number(process.argv[2] ?? Math.floor(Date.now() / 1000)));
for (const make of [cookieCaches, refusedCookieCaches, sessionTokens, apiTokens, oauth, authjs, nextauth]) await make();
process.stdout.write(`${JSON.stringify(collected)}\n`);
