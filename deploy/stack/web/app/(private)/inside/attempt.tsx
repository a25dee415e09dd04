import type { AttemptTitle, Outcome } from "@/lib/inside/outcome";
import styles from "./inside.module.css";
import { Seen } from "./seen";
import type { Progress } from "./use-attempts";

/** One request in the list. The visitor's own is shown in full. The others can be opened. */
export function Attempt({ attempt, progress }: { attempt: AttemptTitle; progress: Progress }) {
  const { title, group } = attempt;
  const { state, outcome, message } = progress;
  const pulse = state === "running" && <span className={styles.pulse} aria-hidden="true" />;
  return (
    <li className={`card ${styles.attempt}`} data-state={state} data-group={group} aria-busy={state === "running"}>
      {outcome && state !== "failed" ? (
        <details open={group === "you" || !outcome.asExpected}>
          <summary className={styles.heading}>
            <h3>
              {title} {pulse}
            </h3>
            <Verdict outcome={outcome} />
            {group === "attack" && <span className={styles.stopped}>{outcome.stoppedBy ?? outcome.meaning}</span>}
          </summary>
          <Steps outcome={outcome} />
        </details>
      ) : (
        <div className={styles.heading}>
          <h3>
            {title} {pulse}
          </h3>
          {message && <span className="failure">{message}</span>}
        </div>
      )}
    </li>
  );
}

function Verdict({ outcome }: { outcome: Outcome }) {
  const isAllowed = outcome.status < 400 || outcome.stoppedBy === null; // a page that is allowed may not exist
  const isGood = isAllowed && outcome.asExpected; // otherwise nobody knows in whose name
  return (
    <span className={styles.verdict}>
      <span>
        {!outcome.asExpected && <strong className={styles.surprise}>Unexpected </strong>}
        <span className={`badge ${isGood ? "good" : "bad"}`}>
          {isGood ? "Allowed, as you" : isAllowed ? "Allowed" : "Refused"}
        </span>
      </span>
      <code>
        {outcome.status} {outcome.reason}
      </code>
      <span className={styles.time}>{outcome.milliseconds} ms</span>
    </span>
  );
}

function Steps({ outcome }: { outcome: Outcome }) {
  return (
    <div className={styles.steps}>
      <div>
        <h4>The request</h4>
        <pre className={styles.curl}>{outcome.curl}</pre>
      </div>
      <div>
        <h4>{outcome.isFromProxy ? "The proxy’s answer" : "AuthGate’s answer"}</h4>
        <p>
          <code className={styles.reason}>{outcome.reason ?? (outcome.seen ? "allowed" : "no reason")}</code>
        </p>
        <p>{outcome.meaning}</p>
        {outcome.requestId && <p className="hint break">Request id: {outcome.requestId}</p>}
      </div>
      <div>
        <h4>The service saw</h4>
        <Seen headers={outcome.seen} />
      </div>
    </div>
  );
}
