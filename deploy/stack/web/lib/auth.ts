// The configuration of Better Auth. AuthGate reads its cookies, JWTs and tables: docs/formats/better-auth.md.
import { betterAuth } from "better-auth";
import { APIError, createAuthMiddleware } from "better-auth/api";
import { admin, jwt } from "better-auth/plugins";
import { type Bannable, isBanned } from "./ban";
import { database } from "./database";
import { type Environment, environment } from "./environment";
import { PASSWORD_LENGTH } from "./password-length";
import { passwords } from "./passwords";
import { users } from "./users";

const DAY = 24 * 60 * 60;

let instance: ReturnType<typeof make> | undefined;

/** Return this process's Better Auth. The first call creates it: `next build` loads this file without any setting. */
export function auth() {
  instance ??= make(environment());
  return instance;
}

/** Create a Better Auth whose queries may take *querySeconds*. */
export function make(settings: Environment, querySeconds?: number) {
  return betterAuth({
    appName: "AuthGate example",
    baseURL: settings.url.origin,
    trustedOrigins: settings.trustedOrigins,
    secret: settings.secret,
    database: database(settings.databaseUrl, querySeconds),
    databaseHooks: { user: users },
    emailAndPassword: {
      enabled: true,
      password: passwords,
      minPasswordLength: PASSWORD_LENGTH.min,
      maxPasswordLength: PASSWORD_LENGTH.max,
    },
    session: {
      expiresIn: 7 * DAY,
      updateAge: DAY,
      // Off: Better Auth looks up every session. On: it trusts the data cookie for maxAge, but AuthGate still checks
      // the database (check: always).
      cookieCache:
        settings.cookieCache === "off"
          ? { enabled: false }
          : { enabled: true, strategy: settings.cookieCache, maxAge: settings.cookieCacheSeconds },
    },
    advanced: {
      // Better Auth's defaults: HttpOnly, SameSite=Lax, Path=/; with an https URL also Secure and the prefix __Secure-.
      crossSubDomainCookies: settings.cookieDomain ? { enabled: true, domain: settings.cookieDomain } : undefined,
    },
    rateLimit: { enabled: settings.rateLimit },
    telemetry: { enabled: false },
    // No page uses these. With a stolen session the first lets one guess the password, without a rate limit. The others
    // list the raw tokens of sessions.
    disabledPaths: ["/verify-password", "/list-sessions", "/admin/list-user-sessions"],
    // One bounded line for each message: it may contain what a visitor sent.
    logger: {
      log: (level, message, ...more) => console.log(JSON.stringify({ level, message, more: String(more) }).slice(0, 500)),
    },
    hooks: {
      // Everything but get-session checks the session in the database. Otherwise, until the data cookie expires, a
      // copy of the cookies could fetch a new JWT, and a former administrator could list users.
      before: createAuthMiddleware((ctx) => {
        const fresh = { context: { query: { ...ctx.query, disableCookieCache: true } } };
        return Promise.resolve(ctx.path === "/get-session" ? undefined : fresh);
      }),
    },
    plugins: [
      admin(),
      jwt({
        disableSettingJwtHeader: true, // or get-session would sign a JWT each time, which nothing here reads
        jwt: {
          expirationTime: settings.tokenLifetime,
          definePayload: ({ user }) => {
            // A ban ends all sessions, but not one that begins at the same moment, and not if it is made in SQL. AuthGate
            // refuses the session, and could not see the ban in a JWT.
            if (isBanned(user as Bannable))
              throw new APIError("FORBIDDEN", { code: "BANNED_USER", message: "This account is banned." });
            return { email: user.email, name: user.name, role: user.role as string | null };
          },
        },
      }),
    ],
  });
}
