// The front end's settings: environment variables. A wrong or missing one stops the start; the message says how to fix it.
import { readFileSync } from "node:fs";
import { hasSpaceAround, secretFault } from "./secret";

export type CookieCache = "off" | "compact" | "jwt" | "jwe";

const MAX_SECRETS = 8; // AuthGate accepts no more
const COOKIE_CACHES: readonly CookieCache[] = ["off", "compact", "jwt", "jwe"];

export interface Environment {
  /** The origin that browsers see. Names of cookies (`__Secure-` for https) and a JWT's issuer and audience depend on it. */
  url: URL;
  secret: string;
  databaseUrl: string;
  cookieCache: CookieCache;
  /** How many seconds Better Auth trusts a data cookie. */
  cookieCacheSeconds: number;
  /** The domain whose subdomains share sessions, such as "example.com". Undefined: cookies are for this host only. */
  cookieDomain: string | undefined;
  /** The lifetime of an access token (JWT), such as "15m". */
  tokenLifetime: string;
  rateLimit: boolean;
  /** The origin of the API, or empty if it is this one. */
  apiOrigin: string;
  /** Other origins whose pages may sign users in. */
  trustedOrigins: string[];
  /** Where this server reaches the proxy, for the page /inside. */
  edgeUrl: URL;
}

export class WrongSetting extends Error {}

/** Return the variable *name*, or the content of the file that `<name>_FILE` names, or "" if neither is set. */
export function setting(name: string): string {
  const file = process.env[`${name}_FILE`];
  if (!file) return process.env[name] ?? "";
  if (process.env[name]) throw new WrongSetting(`${name} and ${name}_FILE are both set: remove one`);
  try {
    // ignoreBOM keeps a byte order mark, so that required() can refuse it.
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(file));
    return text.replace(/\r?\n$/, ""); // editors end a file with one line break
  } catch (error) {
    throw new WrongSetting(`${name}_FILE: ${(error as Error).message}`);
  }
}

function required(name: string): string {
  const value = setting(name);
  if (!value) throw new WrongSetting(`${name} (or ${name}_FILE) is not set`);
  if (hasSpaceAround(value)) throw new WrongSetting(`${name} begins or ends with white space: remove it`);
  return value;
}

function secret(name: string): string {
  const value = required(name);
  checkSecret(name, value);
  checkRotation("BETTER_AUTH_SECRETS");
  return value;
}

/** Check the variable that Better Auth itself reads while the secret changes: `2:new,1:old`. */
function checkRotation(name: string): void {
  const value = process.env[name];
  if (!value) return;
  const secrets = value.split(",").map((entry) => /^\s*\d{1,9}:([^,]+)$/.exec(entry)?.[1]);
  if (secrets.length > MAX_SECRETS) throw new WrongSetting(`${name} has more than ${MAX_SECRETS} secrets`);
  for (const each of secrets) {
    if (!each) throw new WrongSetting(`${name} must be a list such as 2:new,1:old, with the current secret first`);
    checkSecret(name, each);
  }
}

function checkSecret(name: string, value: string): void {
  const fault = secretFault(value);
  if (fault) throw new WrongSetting(`${name} ${fault}`);
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
  const match = choices.find((choice) => choice === value);
  if (!match) throw new WrongSetting(`${name} must be one of ${choices.join(", ")}`);
  return match;
}

function seconds(name: string, value: string, max: number): number {
  const number = /^[1-9]\d{0,8}$/.test(value) ? Number(value) : Infinity;
  if (number > max) throw new WrongSetting(`${name} must be a whole number of seconds from 1 to ${max}`);
  return number;
}

let cached: Environment | undefined;

/** Return the settings. The first call reads them. */
export function environment(): Environment {
  cached ??= readEnvironment();
  return cached;
}

function readEnvironment(): Environment {
  const url = origin("BETTER_AUTH_URL", required("BETTER_AUTH_URL"));
  const cookieDomain = setting("COOKIE_DOMAIN") || undefined;
  if (cookieDomain && url.hostname !== cookieDomain && !url.hostname.endsWith(`.${cookieDomain}`))
    throw new WrongSetting(`COOKIE_DOMAIN must be ${url.hostname} or a domain above it, such as example.com`);
  const tokenLifetime = setting("TOKEN_LIFETIME") || "15m";
  if (!/^[1-9]\d{0,4}[smh]$/.test(tokenLifetime))
    throw new WrongSetting('TOKEN_LIFETIME must be a number followed by s, m or h, such as "15m"');
  const apiOrigin = setting("API_ORIGIN");
  const edgeUrl = setting("EDGE_URL");
  return {
    url,
    secret: secret("BETTER_AUTH_SECRET"),
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
      .map((value) => origin("BETTER_AUTH_TRUSTED_ORIGINS", value).origin),
    edgeUrl: edgeUrl ? origin("EDGE_URL", edgeUrl) : url,
  };
}
