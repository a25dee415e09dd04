import type { ReactNode } from "react";
import { Mark } from "./mark";
import styles from "./welcome.module.css";

/** The frame of the sign-in page and the sign-up page: the form, and what this site is. Screen readers get the form first. */
export function Welcome({ children }: { children: ReactNode }) {
  return (
    <div className={styles.page}>
      <main className={`card ${styles.form}`}>{children}</main>
      <section className={styles.about} aria-label="About this site">
        <p className={`brand ${styles.brand}`}>
          <Mark /> AuthGate <small>example</small>
        </p>
        <h2 className={styles.claim}>Sign in once. Every service behind the proxy knows who you are.</h2>
        <ol className={styles.steps}>
          <li>Better Auth signs you in, and keeps an httpOnly cookie in your browser.</li>
          <li>The proxy asks AuthGate about each request. AuthGate verifies the cookie and checks the policy.</li>
          <li>The task service gets your name in a header. It never sees a session cookie or a key.</li>
        </ol>
        <p className="hint">Signed in, you can watch it happen, with the requests that an attacker would send.</p>
      </section>
    </div>
  );
}
