import styles from "./inside.module.css";

const STOPS = [
  { name: "Your request", note: "with a session cookie" },
  { name: "nginx or Traefik", note: "removes identity headers that you send, and asks" },
  { name: "AuthGate", note: "verifies the cookie or token, checks the policy, answers", isOurs: true },
  { name: "Task service", note: "reads X-User-Id; has no key" },
];

/** The way of a request, from left to right or, on narrow screens, from top to bottom. */
export function Path() {
  return (
    <ol className={styles.path} aria-label="The way of a request">
      {STOPS.map(({ name, note, isOurs }) => (
        <li key={name} className={isOurs ? styles.ours : undefined}>
          <strong>{name}</strong>
          <span>{note}</span>
        </li>
      ))}
    </ol>
  );
}
