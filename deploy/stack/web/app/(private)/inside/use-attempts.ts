import { useEffect, useState } from "react";
import { goToSignIn } from "@/lib/api";
import type { AttemptTitle, Outcome } from "@/lib/inside/outcome";

export interface Progress {
  state: "waiting" | "running" | "done" | "failed";
  /** Of the last time, until there is a new one: rows keep their height, and stay open. */
  outcome?: Outcome;
  /** Why the attempt failed. */
  message?: string;
}

export interface Run {
  /** How far each attempt is, by its name. */
  progress: Record<string, Progress>;
  isRunning: boolean;
  again: () => void;
}

/** Run the attempts of *titles* one after the other: when the page opens, and again when the visitor asks for it. */
export function useAttempts(titles: readonly AttemptTitle[]): Run {
  const [progress, setProgress] = useState<Record<string, Progress>>({});
  const [run, setRun] = useState(0);
  const [finished, setFinished] = useState(-1);

  useEffect(() => {
    const leaving = new AbortController();
    const runAll = async () => {
      setProgress((all) => Object.fromEntries(titles.map(({ name }) => [name, { ...all[name], state: "waiting" }])));
      for (const { name } of titles) {
        setProgress((all) => ({ ...all, [name]: { ...all[name], state: "running" } }));
        const step = await attempt(name, leaving.signal);
        if (leaving.signal.aborted) return;
        setProgress((all) => ({ ...all, [name]: step }));
      }
      setFinished(run);
    };
    void runAll();
    return () => {
      leaving.abort();
    };
  }, [titles, run]);

  const again = () => {
    setRun(run + 1);
  };
  return { progress, isRunning: finished !== run, again };
}

const SECONDS = 20; // the copied cookie takes the longest: AuthGate remembers a session for 5 s
const PAUSE_MS = 1000;

async function attempt(name: string, leaving: AbortSignal): Promise<Progress> {
  const signal = AbortSignal.any([leaving, AbortSignal.timeout(SECONDS * 1000)]);
  let isBusy = false;
  try {
    let response = await ask(name, signal);
    // Busy with this visitor's last attempt: the page was opened in another tab, or reloaded.
    while (response.status === 429) {
      isBusy = true;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      response = await ask(name, signal);
    }
    isBusy = false;
    if (response.status === 401) return await goToSignIn();
    if (response.ok) return { state: "done", outcome: (await response.json()) as Outcome };
    const { detail } = (await response.json().catch(() => ({}))) as { detail?: string };
    return { state: "failed", message: detail ?? `The front end answered ${response.status}.` };
  } catch {
    return {
      state: "failed",
      message: isBusy ? "Another attempt of yours is still running." : "The front end is not responding.",
    };
  }
}

function ask(name: string, signal: AbortSignal): Promise<Response> {
  return fetch(`/inside/attempts/${name}`, { method: "POST", signal });
}
