// Makes the credentials that an attacker would have: tokens that expired or were changed, and a copied cookie.
import { makeSignature } from "better-auth/crypto";
import { auth } from "../auth";
import type { Visitor } from "./visitor";

const HOUR = 60 * 60;

/** Return a token of the visitor, signed by Better Auth with its own key, that expired an hour ago. */
export function expiredToken(visitor: Visitor): Promise<string> {
  return signedToken(visitor, now() - 2 * HOUR, now() - HOUR);
}

/** Return a token of the visitor with the claims of somebody else, which were written into it after it was signed. */
export async function editedToken(visitor: Visitor): Promise<string> {
  const [header, payload = "", signature] = (await signedToken(visitor, now(), now() + 60)).split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
  return [header, encoded({ ...claims, ...ADMINISTRATOR }), signature].join(".");
}

/** Return a token for somebody else that says that it needs no signature. */
export async function unsignedToken(visitor: Visitor): Promise<string> {
  const [, payload = ""] = (await signedToken(visitor, now(), now() + 60)).split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
  return `${encoded({ alg: "none", typ: "JWT" })}.${encoded({ ...claims, ...ADMINISTRATOR })}.`;
}

const ADMINISTRATOR = { sub: "admin", role: "admin" };

async function signedToken({ user }: Visitor, iat: number, exp: number): Promise<string> {
  const payload = { sub: user.id, email: user.email, name: user.name, role: user.role, iat, exp };
  return (await auth().api.signJWT({ body: { payload } })).token;
}

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString("base64url");
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

/** Another session of the visitor, and its cookie as Better Auth sets it. */
export interface OtherSession {
  cookie: string;
  /** Delete the session, as a sign-out does. */
  end: () => Promise<void>;
}

/** Sign the visitor in once more. If nobody ends this session, it expires after a minute. */
export async function otherSession({ user }: Visitor): Promise<OtherSession> {
  const { internalAdapter, authCookies, secret } = await auth().$context;
  const minute = { expiresAt: new Date(Date.now() + 60_000), userAgent: "The page What just happened" };
  const { token } = await internalAdapter.createSession(user.id, false, minute, true);
  const value = encodeURIComponent(`${token}.${await makeSignature(token, secret)}`);
  return { cookie: `${authCookies.sessionToken.name}=${value}`, end: () => internalAdapter.deleteSession(token) };
}
