"use client";
import { type FormEvent, useState } from "react";
import { authClient } from "@/lib/auth-client";

const WORDS: Record<string, string> = {
  INVALID_EMAIL_OR_PASSWORD: "E-mail or password is wrong.",
  USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL: "There is an account with this e-mail already. Sign in instead.",
  BANNED_USER: "This account is banned.",
};

interface Failure {
  status: number;
  code?: string;
  message?: string;
}

function inWords(error: Failure): string {
  if (error.status === 429) return "Too many attempts. Wait ten seconds and try again.";
  if (error.status >= 500 || !error.status) return "The server does not answer. Try again in a moment.";
  return WORDS[error.code ?? ""] ?? error.message ?? "This was refused.";
}

/** The form of the sign-in page and, with a name, of the sign-up page. */
export function CredentialsForm({ mode, next }: { mode: "sign-in" | "sign-up"; next: string }) {
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  const isNew = mode === "sign-up";

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    if (busy) return;
    const form = new FormData(event.currentTarget);
    const field = (name: string) => String(form.get(name) ?? "");
    const given = { email: field("email"), password: field("password") };
    setBusy(true);
    setFailure("");
    const { error } = isNew
      ? await authClient.signUp.email({ ...given, name: field("name") })
      : await authClient.signIn.email(given);
    if (!error) return location.replace(next);
    setFailure(inWords(error));
    setBusy(false);
  }

  return (
    <form method="post" onSubmit={submit}>
      {isNew && (
        <label>
          Name
          <input name="name" autoComplete="name" required maxLength={100} />
        </label>
      )}
      <label>
        E-mail
        <input name="email" type="email" autoComplete={isNew ? "email" : "username"} required maxLength={254} autoFocus={!isNew} />
      </label>
      <label>
        Password
        <input
          name="password"
          type="password"
          autoComplete={isNew ? "new-password" : "current-password"}
          required
          minLength={isNew ? 8 : undefined}
          maxLength={128}
          aria-describedby={isNew ? "password-hint" : undefined}
        />
      </label>
      {isNew && (
        <p id="password-hint" className="hint">
          8 characters or more.
        </p>
      )}
      <p role="alert" className="failure">
        {failure}
      </p>
      <button type="submit" aria-disabled={busy}>
        {isNew ? "Sign up" : "Sign in"}
      </button>
    </form>
  );
}
