// What the front end is told by its environment. A wrong or missing setting ends the start with one line that says how to mend it.
import { readFileSync } from "node:fs";

export type CookieCache = "off" | "compact" | "jwt" | "jwe";

const COOKIE_CACHES: readonly CookieCache[] = ["off", "compact", "jwt", "jwe"];

export interface Environment {
  /** The origin that browsers see. Names of cookies (`__Secure-` for https), issuer and audience of JWTs come from it. */
  url: URL;
  secret: string;
  databaseUrl: string;
  cookieCache: CookieCache;
  /** Seconds that a data cookie is believed. */
  cookieCacheSeconds: number;
  /** Where several subdomains share a session: "example.com". Undefined: cookies of this host alone. */
  cookieDomain: string | undefined;
  /** How long an access token (JWT) counts: "15m". */
  tokenLifetime: string;
  rateLimit: boolean;
  /** The origin of the API where it is another one; empty: this one. */
  apiOrigin: string;
  /** Further origins whose pages may sign in. */
  trustedOrigins: string[];
}

export class WrongSetting extends Error {}

/** Return the variable *name*, or what stands in the file that `<name>_FILE` names; "" where neither is set. */
export function setting(name: string): string {
  const file = process.env[`${name}_FILE`];
  if (!file) return process.env[name] ?? "";
  if (process.env[name]) throw new WrongSetting(`${name} and ${name}_FILE are both set: keep one`);
  try {
    return readFileSync(file, "utf8").replace(/\n$/, "");
  } catch (error) {
    throw new WrongSetting(`${name}_FILE: ${(error as Error).message}`);
  }
}

function required(name: string): string {
  const value = setting(name);
  if (!value) throw new WrongSetting(`${name} (or ${name}_FILE) is not set`);
  return value;
}

function origin(name: string, value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`)
    throw new WrongSetting(`${name} must be an origin such as https://app.example.com, without a path`);
  return url;
}

function postgresUrl(name: string): string {
  const value = required(name);
  if (!/^postgres(ql)?:\/\//.test(value)) throw new WrongSetting(`${name} must begin with postgresql://`);
  return value;
}

function oneOf<Choice extends string>(name: string, value: string, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === value);
  if (!found) throw new WrongSetting(`${name} must be one of ${choices.join(", ")}`);
  return found;
}

function seconds(name: string, value: string, most: number): number {
  const found = /^[1-9]\d{0,8}$/.test(value) ? Number(value) : Infinity;
  if (found > most) throw new WrongSetting(`${name} must be a whole number of seconds, 1 to ${most}`);
  return found;
}

let read: Environment | undefined;

/** Return the settings; they are read once, at the first call. */
export function environment(): Environment {
  read ??= readEnvironment();
  return read;
}

function readEnvironment(): Environment {
  const url = origin("BETTER_AUTH_URL", required("BETTER_AUTH_URL"));
  const secret = required("BETTER_AUTH_SECRET");
  if (Buffer.byteLength(secret) < 32)
    throw new WrongSetting("BETTER_AUTH_SECRET must have 32 bytes or more: openssl rand -base64 48");
  const cookieDomain = setting("COOKIE_DOMAIN") || undefined;
  if (cookieDomain && url.hostname !== cookieDomain && !url.hostname.endsWith(`.${cookieDomain}`))
    throw new WrongSetting(`COOKIE_DOMAIN must be ${url.hostname} or a domain above it, such as example.com`);
  const tokenLifetime = setting("TOKEN_LIFETIME") || "15m";
  if (!/^[1-9]\d{0,4}[smh]$/.test(tokenLifetime))
    throw new WrongSetting('TOKEN_LIFETIME must be a number with s, m or h, such as "15m"');
  const apiOrigin = setting("API_ORIGIN");
  return {
    url,
    secret,
    databaseUrl: postgresUrl("DATABASE_URL"),
    cookieCache: oneOf("COOKIE_CACHE", setting("COOKIE_CACHE") || "off", COOKIE_CACHES),
    cookieCacheSeconds: seconds("COOKIE_CACHE_SECONDS", setting("COOKIE_CACHE_SECONDS") || "300", 3600),
    cookieDomain,
    tokenLifetime,
    rateLimit: oneOf("AUTH_RATE_LIMIT", setting("AUTH_RATE_LIMIT") || "on", ["on", "off"]) === "on",
    apiOrigin: apiOrigin ? origin("API_ORIGIN", apiOrigin).origin : "",
    trustedOrigins: setting("BETTER_AUTH_TRUSTED_ORIGINS")
      .split(",")
      .filter(Boolean)
      .map((one) => origin("BETTER_AUTH_TRUSTED_ORIGINS", one).origin),
  };
}
