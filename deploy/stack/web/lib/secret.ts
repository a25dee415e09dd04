// What makes a secret unfit. AuthGate refuses the same ones, so the two parts never disagree about a secret.
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";

const MIN_BYTES = 32;
const MIN_DISTINCT_BYTES = 8;

// White space, and invisible characters that nobody means as a part of a secret.
const AROUND = /^[\t-\r \u00a0\u2003\u200b\u2028\u2029\u3000\ufeff]|[\t-\r \u00a0\u2003\u200b\u2028\u2029\u3000\ufeff]$/;
const PLACEHOLDER = /\$\{|\$\(|^<[^]*>$|your[-_ ]?(?:jwt[-_ ]?)?secret/i;

// Secrets from documentation, which people copy. Shorter ones are refused anyway.
const WELL_KNOWN = new Set([
  "better-auth-secret-12345678901234567890", // Better Auth's own default outside production
  "a-string-secret-at-least-256-bits-long", // jwt.io
  "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long", // jwt.io
  "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", // FastAPI's tutorial
  "super-secret-jwt-token-with-at-least-32-characters-long", // Supabase; so is the one that begins with "your-"
  "your-super-secret-jwt-token-with-at-least-32-characters-long",
  "your-secret-key-change-this-in-production",
  "your_super_secret_jwt_key_change_this_in_production",
  "your-super-secret-jwt-key-change-this-in-production",
  "this-is-a-secret-key-that-should-be-changed",
  "change-me-to-a-random-32-character-string",
]);

/** Return whether *text* begins or ends with white space. */
export function hasSpaceAround(text: string): boolean {
  return AROUND.test(text);
}

/** Return what is wrong with *secret*, or undefined. */
export function secretFault(secret: string): string | undefined {
  const bytes = Buffer.from(secret);
  if (hasSpaceAround(secret)) return "begins or ends with white space: remove it";
  if (bytes.length < MIN_BYTES) return `must have at least ${MIN_BYTES} bytes: openssl rand -base64 48`;
  if (new Set(bytes).size < MIN_DISTINCT_BYTES) return `has fewer than ${MIN_DISTINCT_BYTES} distinct characters`;
  if (WELL_KNOWN.has(secret.toLowerCase())) return "is a well-known example: openssl rand -base64 48";
  if (PLACEHOLDER.test(secret)) return "looks like a placeholder that was never filled in";
  if (isAsymmetricKey(bytes)) return "is a public or private key, not a secret: openssl rand -base64 48";
  return undefined;
}

/** Whether *secret* is a key as PEM, SSH, JWK or DER, plain or encoded. Anybody who has the public key could sign with it. */
function isAsymmetricKey(secret: Buffer): boolean {
  const once = decoded(secret);
  return [secret, ...once, ...once.flatMap(decoded)].some((form) => isKeyText(form.toString("latin1")) || isDer(form));
}

function decoded(form: Buffer): Buffer[] {
  const text = form.toString("latin1").replace(/\s/g, "");
  const hex = text.replace(/^0x/, "").replaceAll(":", "");
  return [Buffer.from(text, "base64"), ...(/^([0-9a-f]{2})+$/i.test(hex) ? [Buffer.from(hex, "hex")] : [])];
}

function isKeyText(text: string): boolean {
  return /-----BEGIN|BEGIN [A-Z0-9 ]*(KEY|CERTIFICATE)/i.test(text) || isSsh(text) || isJwk(text);
}

function isSsh(text: string): boolean {
  const kinds = /^(\0\0\0.)?(ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-)/s; // as text, or as the blob inside it (RFC 4253 §6.6)
  return kinds.test(text) || /(ssh-(rsa|dss|ed25519|ed448)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) +AAAA/.test(text);
}

function isJwk(text: string): boolean {
  try {
    const document: unknown = JSON.parse(text);
    return typeof document === "object" && JSON.stringify(document).includes('"kty"');
  } catch {
    return false;
  }
}

function isDer(key: Buffer): boolean {
  if (key[0] !== 0x30) return false; // every DER key and certificate is an ASN.1 SEQUENCE
  return [
    () => createPublicKey({ key, format: "der", type: "spki" }),
    () => createPublicKey({ key, format: "der", type: "pkcs1" }),
    () => createPrivateKey({ key, format: "der", type: "pkcs8" }),
    () => createPrivateKey({ key, format: "der", type: "pkcs1" }),
    () => createPrivateKey({ key, format: "der", type: "sec1" }),
    () => new X509Certificate(key),
  ].some(succeeds);
}

function succeeds(load: () => unknown): boolean {
  try {
    load();
    return true;
  } catch {
    return false;
  }
}
