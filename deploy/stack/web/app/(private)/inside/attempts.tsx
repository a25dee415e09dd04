"use client";
import type { AttemptTitle } from "@/lib/inside/outcome";
import { Attempt } from "./attempt";
import styles from "./inside.module.css";
import { type Progress, useAttempts } from "./use-attempts";

const GROUPS = { you: "As you", attack: "As an attacker would" } as const;

export function Attempts({ titles }: { titles: readonly AttemptTitle[] }) {
  const { progress, isRunning, again } = useAttempts(titles);
  const progressOf = (name: string): Progress => progress[name] ?? { state: "waiting" };
  return (
    <>
      <div className={styles.summary}>
        <p role="status">{isRunning ? `Sending ${titles.length} requests …` : summary(Object.values(progress))}</p>
        <button type="button" className="quiet" aria-disabled={isRunning} onClick={isRunning ? undefined : again}>
          Send them again
        </button>
      </div>
      {(["you", "attack"] as const).map((group) => (
        <section key={group} aria-labelledby={group}>
          <h2 id={group}>{GROUPS[group]}</h2>
          <ol className={styles.attempts}>
            {titles
              .filter((each) => each.group === group)
              .map((each) => (
                <Attempt key={each.name} attempt={each} progress={progressOf(each.name)} />
              ))}
          </ol>
        </section>
      ))}
    </>
  );
}

/** Return one or two sentences that say how the attempts ended. */
function summary(all: Progress[]): string {
  const outcomes = all.flatMap(({ state, outcome }) => (state === "done" && outcome ? [outcome] : []));
  if (outcomes.length < all.length) return `${all.length - outcomes.length} of ${all.length} requests could not be sent.`;
  const surprises = outcomes.filter((outcome) => !outcome.asExpected).length;
  if (surprises > 0) return `${surprises} of ${all.length} requests did not end as they should: look for “Unexpected”.`;
  const passed = outcomes.filter((outcome) => outcome.seen).length;
  return `${all.length} requests: ${passed} reached a service, each as you. ${all.length - passed} were refused.`;
}
