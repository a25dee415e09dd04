// Better Auth, as this front end uses it. AuthGate reads what it writes: docs/formats/better-auth.md.
import { betterAuth } from "better-auth";
import { createAuthMiddleware } from "better-auth/api";
import { admin, jwt } from "better-auth/plugins";
import { database } from "./database";
import { type Environment, environment } from "./environment";
import { passwords } from "./passwords";

const DAY = 24 * 60 * 60;

let made: ReturnType<typeof make> | undefined;

/** Return this process's Better Auth. It is made at the first call: `next build` loads this file without any setting. */
export function auth() {
  made ??= make(environment());
  return made;
}

/** Make a Better Auth; *questionSeconds* is what one question to the database may take. */
export function make(set: Environment, questionSeconds?: number) {
  return betterAuth({
    appName: "Tasks",
    baseURL: set.url.origin,
    trustedOrigins: set.trustedOrigins,
    secret: set.secret,
    database: database(set.databaseUrl, questionSeconds),
    emailAndPassword: { enabled: true, password: passwords },
    session: {
      expiresIn: 7 * DAY,
      updateAge: DAY,
      // Off: every session is looked up. On: Better Auth believes the data cookie for so long; AuthGate asks the database all
      // the same (check: always).
      cookieCache:
        set.cookieCache === "off"
          ? { enabled: false }
          : { enabled: true, strategy: set.cookieCache, maxAge: set.cookieCacheSeconds },
    },
    advanced: {
      // HttpOnly, SameSite=Lax, Path=/ and, where the URL is https, Secure with the prefix __Secure- are Better Auth's defaults.
      crossSubDomainCookies: set.cookieDomain ? { enabled: true, domain: set.cookieDomain } : undefined,
    },
    rateLimit: { enabled: set.rateLimit },
    telemetry: { enabled: false },
    // It would confirm a stolen session's password at any rate; no page here asks it.
    disabledPaths: ["/verify-password"],
    // One line for each, and a bounded one: what a visitor sent may be in it.
    logger: { log: (level, message, ...more) => console.log(JSON.stringify({ level, message, more: String(more) }).slice(0, 500)) },
    hooks: {
      // Whoever asks for more than "who am I?" is looked up in the database: else a copy of the cookies could fetch a new JWT,
      // or an administrator who is one no more could list users, for as long as the data cookie is believed.
      before: createAuthMiddleware(async (ctx) => {
        if (ctx.path !== "/get-session") return { context: { query: { ...ctx.query, disableCookieCache: true } } };
      }),
    },
    plugins: [
      admin(),
      jwt({
        disableSettingJwtHeader: true, // get-session would sign a JWT each time, which nobody here reads
        jwt: {
          expirationTime: set.tokenLifetime,
          definePayload: ({ user }) => ({ email: user.email, name: user.name, role: user.role }),
        },
      }),
    ],
  });
}
