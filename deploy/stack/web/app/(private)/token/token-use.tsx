"use client";
import { useEffect, useRef, useState } from "react";
import { Breakable } from "@/app/parts/breakable";
import { LocalTime } from "@/app/parts/local-time";
import { type AccessToken, fetchAccessToken, isDue } from "@/lib/access-token";
import { goToSignIn } from "@/lib/api";

interface Use {
  answers: number;
  refusals: number;
  renewals: number;
  expiresAt: number;
  email: string;
  failure: string;
}

const NOTHING: Use = { answers: 0, refusals: 0, renewals: 0, expiresAt: 0, email: "", failure: "" };

/** Calls the API once a second, until the visitor pauses it. What changes each second is in no live region. */
export function TokenUse() {
  const [use, setUse] = useState(NOTHING);
  const [isPaused, setPaused] = useState(false);
  const held = useRef<AccessToken>(null);

  useEffect(() => {
    if (isPaused) return;
    let isOver = false;
    let timer: ReturnType<typeof setTimeout>;

    async function callOnce() {
      try {
        if (!held.current || isDue(held.current)) {
          const renewed = held.current !== null;
          held.current = await fetchAccessToken();
          if (!held.current) return await goToSignIn();
          const { expiresAt } = held.current;
          if (renewed) setUse((current) => ({ ...current, renewals: current.renewals + 1 }));
          setUse((current) => ({ ...current, expiresAt }));
        }
        const answer = await callApi(held.current);
        if (!answer.ok) held.current = null; // refused before it expired, for example after a change of keys: fetch a new one
        setUse((current) => ({ ...current, ...counted(current, answer) }));
      } catch {
        setUse((current) => ({ ...current, failure: "The server is not responding. Trying again…" }));
      }
      if (!isOver) timer = setTimeout(() => void callOnce(), 1000);
    }
    void callOnce();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [isPaused]);

  return (
    <>
      <dl>
        <dt>Signed in as</dt>
        <dd id="who">{use.email ? <Breakable text={use.email} /> : "…"}</dd>
        <dt>Accepted requests</dt>
        <dd id="answers">{use.answers}</dd>
        <dt>Refused requests</dt>
        <dd id="refusals">{use.refusals}</dd>
        <dt>Token renewals</dt>
        <dd id="renewals">{use.renewals}</dd>
        <dt>Token expires</dt>
        <dd id="expires">{use.expiresAt ? <LocalTime iso={new Date(use.expiresAt * 1000).toISOString()} seconds /> : "…"}</dd>
      </dl>
      <button type="button" onClick={() => setPaused(!isPaused)}>
        {isPaused ? "Continue" : "Pause"}
      </button>
      <p role="alert" className="failure">
        {use.failure}
      </p>
    </>
  );
}

interface Answer {
  ok: boolean;
  email: string;
}

async function callApi(token: AccessToken): Promise<Answer> {
  const base = document.documentElement.dataset.api ?? "";
  const response = await fetch(`${base}/api/v1/auth/me`, {
    credentials: "omit",
    headers: { Authorization: `Bearer ${token.value}` },
    signal: AbortSignal.timeout(10_000),
  });
  const email = response.ok ? ((await response.json()) as { email: string }).email : "";
  return { ok: response.ok, email };
}

function counted(use: Use, answer: Answer): Partial<Use> {
  if (answer.ok) return { answers: use.answers + 1, email: answer.email, failure: "" };
  return { refusals: use.refusals + 1 };
}
