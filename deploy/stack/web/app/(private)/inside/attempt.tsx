import type { AttemptTitle, Outcome } from "@/lib/inside/outcome";
import styles from "./inside.module.css";
import { Seen } from "./seen";
import type { Progress } from "./use-attempts";

/** One request in the list. The visitor's own is shown in full. The others can be opened. */
export function Attempt({ attempt, progress }: { attempt: AttemptTitle; progress: Progress }) {
  const { title, group } = attempt;
  return (
    <li className={`card ${styles.attempt}`} data-state={progress.state} aria-busy={progress.state === "running"}>
      {progress.state === "done" ? (
        <details open={group === "you" || !progress.outcome.asExpected}>
          <summary className={styles.heading}>
            <h3>{title}</h3>
            <Verdict outcome={progress.outcome} />
            {group === "attack" && (
              <span className={styles.stopped}>{progress.outcome.stoppedBy ?? progress.outcome.meaning}</span>
            )}
          </summary>
          <Steps outcome={progress.outcome} />
        </details>
      ) : (
        <div className={styles.heading}>
          <h3>{title}</h3>
          {progress.state === "running" && <span className={styles.pulse} aria-hidden="true" />}
          {progress.state === "failed" && <span className="failure">{progress.message}</span>}
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
