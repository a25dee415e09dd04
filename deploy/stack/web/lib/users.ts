// Better Auth has no limit on the fields of a user, and takes a new name of any type. Every change of a user comes here.
import { APIError } from "better-auth/api";
import { USER_LENGTH } from "./user-length";

type Field = keyof typeof USER_LENGTH;
type Fields = Partial<Record<Field, unknown>>;

const LIMITS = Object.entries(USER_LENGTH) as [Field, number][];
const TITLES: Record<Field, string> = { name: "name", email: "e-mail address", image: "picture's address" };

/** Better Auth's hooks. They refuse fields that are too long, and remove outer spaces from the others. */
export const users = { create: { before: bounded }, update: { before: bounded } };

function bounded(user: Fields) {
  const data: Partial<Record<Field, string>> = {};
  for (const [field, limit] of LIMITS) {
    const value = user[field];
    if (value === undefined || value === null) continue;
    const text = typeof value === "string" ? value.trim() : null;
    if (text === null || text.length > limit) throw refusal(field, limit);
    data[field] = text;
  }
  return Promise.resolve({ data });
}

function refusal(field: Field, limit: number) {
  const message = `This ${TITLES[field]} is too long. The limit is ${limit} characters.`;
  return new APIError("BAD_REQUEST", { code: `${field.toUpperCase()}_TOO_LONG`, message });
}
