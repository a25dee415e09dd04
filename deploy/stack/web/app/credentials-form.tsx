"use client";
import { type SubmitEvent, useEffect, useRef, useState } from "react";
import { authClient } from "@/lib/auth-client";
import { PASSWORD_LENGTH } from "@/lib/password-length";
import { USER_LENGTH } from "@/lib/user-length";
import { type Failure, type Field, failureFor } from "./credentials-failure";
import { PasswordField } from "./password-field";

interface Props {
  mode: "sign-in" | "sign-up";
  returnTo: string;
  /** Why somebody is here who was signed in before, or "". */
  notice?: string;
}

/**
 * The form of the sign-in page and, with a field for the name, of the sign-up page. It leads to *returnTo*, a path of this
 * site, with the fragment of this page's address: browsers keep the fragment when they are redirected here.
 */
export function CredentialsForm({ mode, returnTo, notice }: Props) {
  const [failure, setFailure] = useState<Failure | null>(null);
  const [isBusy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const isNew = mode === "sign-up";

  useEffect(() => {
    const wrong = failure?.fields[0];
    if (wrong) form.current?.querySelector<HTMLInputElement>(`[name=${wrong}]`)?.focus();
  }, [failure]);

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    if (isBusy) return;
    const values = new FormData(event.currentTarget);
    const value = (name: Field) => values.get(name) as string;
    const credentials = { email: value("email"), password: value("password") };
    setBusy(true);
    setFailure(null);
    const { error } = isNew
      ? await authClient.signUp.email({ ...credentials, name: value("name") })
      : await authClient.signIn.email(credentials);
    if (error) {
      setFailure(failureFor(error));
      setBusy(false);
    } else location.replace(returnTo + location.hash);
  }

  const isWrong = (name: Field) => failure?.fields.includes(name) ?? false;
  // What a screen reader says with a field: the failure, if the field is to be corrected, and the hint below it.
  const described = (name: Field, hint = "") => [isWrong(name) && "failure", hint].filter(Boolean).join(" ") || undefined;

  return (
    <form ref={form} method="post" onSubmit={submit}>
      <noscript>
        <p className="failure">This form needs JavaScript. Allow it for this site, and reload the page.</p>
      </noscript>
      {notice && !failure && (
        <p id="notice" className="notice" role="status">
          {notice}
        </p>
      )}
      {isNew && (
        <label>
          Name
          <input
            name="name"
            autoComplete="name"
            required
            maxLength={USER_LENGTH.name}
            aria-invalid={isWrong("name") || undefined}
            aria-describedby={described("name")}
          />
        </label>
      )}
      <label>
        E-mail
        <input
          name="email"
          type="email"
          autoComplete={isNew ? "email" : "username"}
          required
          maxLength={USER_LENGTH.email}
          autoFocus={!isNew}
          aria-invalid={isWrong("email") || undefined}
          aria-describedby={described("email", isNew ? "email-hint" : notice && "notice")}
        />
      </label>
      {isNew && (
        <p id="email-hint" className="hint">
          Any address works, such as ada@example.com. No mail is sent.
        </p>
      )}
      <PasswordField
        isNew={isNew}
        invalid={isWrong("password")}
        describedBy={described("password", isNew ? "password-hint" : "")}
      />
      {isNew && (
        <p id="password-hint" className="hint">
          At least {PASSWORD_LENGTH.min} characters.
        </p>
      )}
      {/* Where a field is wrong, the focus moves there, and screen readers say the failure with the field. */}
      <p id="failure" role={failure?.fields.length ? undefined : "alert"} className="failure">
        {failure?.message}
      </p>
      <button type="submit" aria-disabled={isBusy}>
        {isNew ? "Sign up" : "Sign in"}
      </button>
    </form>
  );
}
