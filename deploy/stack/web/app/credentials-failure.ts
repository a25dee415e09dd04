// What the sign-in form and the sign-up form say when the server refuses, and which fields are to be corrected.

export type Field = "name" | "email" | "password";

export interface Failure {
  message: string;
  /** The first gets the focus. None: the fields are right, and the same again may work. */
  fields: readonly Field[];
}

const REFUSALS: Record<string, Failure> = {
  INVALID_EMAIL_OR_PASSWORD: { message: "Wrong e-mail or password.", fields: ["password", "email"] },
  USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL: {
    message: "There is already an account with this e-mail. Sign in instead.",
    fields: ["email"],
  },
  NAME_TOO_LONG: { message: "This name is too long.", fields: ["name"] },
  EMAIL_TOO_LONG: { message: "This e-mail address is too long.", fields: ["email"] },
  INVALID_EMAIL: { message: "This is not an e-mail address.", fields: ["email"] },
  PASSWORD_TOO_SHORT: { message: "This password is too short.", fields: ["password"] },
  PASSWORD_TOO_LONG: { message: "This password is too long.", fields: ["password"] },
  BANNED_USER: { message: "This account is banned.", fields: [] },
};

/** Return the failure for Better Auth's *error*. Its status is 0 if there was no answer. */
export function failureFor(error: { status: number; code?: string; message?: string }): Failure {
  if (error.status === 429) return { message: "Too many attempts. Wait ten seconds and try again.", fields: [] };
  if (error.status >= 500 || !error.status)
    return { message: "The server is not responding. Try again in a moment.", fields: [] };
  return REFUSALS[error.code ?? ""] ?? { message: error.message ?? "The server refused the request.", fields: [] };
}
