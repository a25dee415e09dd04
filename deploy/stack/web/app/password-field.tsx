"use client";
import { useState } from "react";
import { PASSWORD_LENGTH } from "@/lib/password-length";
import styles from "./password-field.module.css";

interface Props {
  isNew: boolean;
  invalid: boolean;
  describedBy: string | undefined;
}

/** The field for the password, with a button that shows what is in it. */
export function PasswordField({ isNew, invalid, describedBy }: Props) {
  const [isShown, setShown] = useState(false);
  return (
    <div className={styles.field}>
      <label>
        Password
        <input
          id="password"
          name="password"
          type={isShown ? "text" : "password"}
          autoComplete={isNew ? "new-password" : "current-password"}
          autoCapitalize="none"
          spellCheck={false}
          required
          minLength={isNew ? PASSWORD_LENGTH.min : undefined}
          maxLength={PASSWORD_LENGTH.max}
          aria-invalid={invalid || undefined}
          aria-describedby={describedBy}
        />
      </label>
      <button type="button" className={`quiet ${styles.toggle}`} aria-controls="password" onClick={() => setShown(!isShown)}>
        {isShown ? "Hide" : "Show"} <span className="visually-hidden">password</span>
      </button>
    </div>
  );
}
