// Old passwords of imported users keep working: this verifies bcrypt hashes as passlib writes them. New passwords get
// Better Auth's own hash (scrypt).
import { createHash, createHmac } from "node:crypto";
import bcrypt from "bcryptjs";
import { hashPassword, verifyPassword } from "better-auth/crypto";
import { inQueue } from "./hashing-queue";

// A cost above 15 blocks the only thread for seconds, and cost 31 for days: one sign-in would stop all others.
const MAX_COST = 15;
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
// passlib's bcrypt_sha256, which avoids bcrypt's limit of 72 bytes. Version 2 is an HMAC with the salt, 1 plain SHA-256.
const SHA256_V2 = /^\$bcrypt-sha256\$v=2,t=(2[ab]),r=(\d{1,2})\$([./A-Za-z0-9]{22})\$([./A-Za-z0-9]{31})$/;
const SHA256_V1 = /^\$bcrypt-sha256\$(2[ab]),(\d{1,2})\$([./A-Za-z0-9]{22})\$([./A-Za-z0-9]{31})$/;

interface Stored {
  hash: string;
  password: string;
}

export const passwords = {
  hash: (password: string) => inQueue(() => hashPassword(password)),
  verify: (stored: Stored) => inQueue(() => verify(stored)),
};

async function verify({ hash, password }: Stored): Promise<boolean> {
  const plain = BCRYPT.exec(hash);
  if (plain) return compare(password, hash, plain[1]);
  const version2 = SHA256_V2.exec(hash);
  if (version2) {
    const [, , , salt = ""] = version2;
    const digest = createHmac("sha256", salt).update(password).digest("base64");
    return compare(digest, asBcrypt(version2), version2[2]);
  }
  const version1 = SHA256_V1.exec(hash);
  if (version1) {
    const digest = createHash("sha256").update(password).digest("base64");
    return compare(digest, asBcrypt(version1), version1[2]);
  }
  return hash.startsWith("$") ? false : verifyPassword({ hash, password });
}

async function compare(password: string, hash: string, cost = ""): Promise<boolean> {
  return Number(cost) <= MAX_COST && bcrypt.compare(password, hash);
}

function asBcrypt([, type, cost = "", salt, checksum]: string[]): string {
  return `$${type}$${cost.padStart(2, "0")}$${salt}${checksum}`;
}
