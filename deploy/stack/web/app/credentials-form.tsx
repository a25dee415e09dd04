"use client";
import { type SubmitEvent, useState } from "react";
import { authClient } from "@/lib/auth-client";
import { PASSWORD_LENGTH } from "@/lib/password-length";

const MESSAGES: Record<string, string> = {
  INVALID_EMAIL_OR_PASSWORD: "Wrong e-mail or password.",
  USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL: "There is already an account with this e-mail. Sign in instead.",
  BANNED_USER: "This account is banned.",
};

interface Failure {
  status: number;
  code?: string;
  message?: string;
}

function message(error: Failure): string {
  if (error.status === 429) return "Too many attempts. Wait ten seconds and try again.";
  if (error.status >= 500 || !error.status) return "The server is not responding. Try again in a moment.";
  return MESSAGES[error.code ?? ""] ?? error.message ?? "The server refused the request.";
}

/**
 * The form of the sign-in page and, with a field for the name, of the sign-up page. It leads to *returnTo*, a path of this
 * site, with the fragment of this page's address: browsers keep the fragment when they are redirected here.
 */
export function CredentialsForm({ mode, returnTo }: { mode: "sign-in" | "sign-up"; returnTo: string }) {
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  const isNew = mode === "sign-up";

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    if (busy) return;
    const form = new FormData(event.currentTarget);
    const field = (name: string) => form.get(name) as string;
    const credentials = { email: field("email"), password: field("password") };
    setBusy(true);
    setFailure("");
    const { error } = isNew
      ? await authClient.signUp.email({ ...credentials, name: field("name") })
      : await authClient.signIn.email(credentials);
    if (error) {
      setFailure(message(error));
      setBusy(false);
    } else location.replace(returnTo + location.hash);
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
        <input
          name="email"
          type="email"
          autoComplete={isNew ? "email" : "username"}
          required
          maxLength={254}
          autoFocus={!isNew}
        />
      </label>
      <label>
        Password
        <input
          name="password"
          type="password"
          autoComplete={isNew ? "new-password" : "current-password"}
          required
          minLength={isNew ? PASSWORD_LENGTH.min : undefined}
          maxLength={PASSWORD_LENGTH.max}
          aria-describedby={isNew ? "password-hint" : undefined}
        />
      </label>
      {isNew && (
        <p id="password-hint" className="hint">
          At least {PASSWORD_LENGTH.min} characters.
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
