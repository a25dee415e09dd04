"use client";
import { useEffect, useState } from "react";
import { type AccessToken, fetchAccessToken, isDue } from "@/lib/access-token";
import { goToSignIn } from "@/lib/api";

interface Use {
  answers: number;
  refusals: number;
  renewals: number;
  expiresAt: number;
  who: string;
  failure: string;
}

const NOTHING: Use = { answers: 0, refusals: 0, renewals: 0, expiresAt: 0, who: "", failure: "" };

export function TokenUse() {
  const [use, setUse] = useState(NOTHING);

  useEffect(() => {
    let token: AccessToken | null = null;
    let over = false;
    let timer: ReturnType<typeof setTimeout>;

    async function once() {
      try {
        if (!token || isDue(token)) {
          const renewed = token !== null;
          token = await fetchAccessToken();
          if (!token) return goToSignIn();
          const { expiresAt } = token;
          if (renewed) setUse((known) => ({ ...known, renewals: known.renewals + 1 }));
          setUse((known) => ({ ...known, expiresAt }));
        }
        const answer = await ask(token);
        if (!answer.ok) token = null; // refused before its time, as when keys were changed: another is fetched
        setUse((known) => ({ ...known, ...counted(known, answer) }));
      } catch {
        setUse((known) => ({ ...known, failure: "The server does not answer; trying again." }));
      }
      if (!over) timer = setTimeout(once, 1000);
    }
    void once();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, []);

  return (
    <>
      <dl>
        <dt>Caller</dt>
        <dd id="who">{use.who || "…"}</dd>
        <dt>Answers</dt>
        <dd id="answers">{use.answers}</dd>
        <dt>Refusals</dt>
        <dd id="refusals">{use.refusals}</dd>
        <dt>Renewals</dt>
        <dd id="renewals">{use.renewals}</dd>
        <dt>Expires (UTC)</dt>
        <dd>{use.expiresAt ? new Date(use.expiresAt * 1000).toISOString().slice(11, 19) : "…"}</dd>
      </dl>
      <p role="alert" className="failure">
        {use.failure}
      </p>
    </>
  );
}

interface Answer {
  ok: boolean;
  who: string;
}

async function ask(token: AccessToken): Promise<Answer> {
  const base = document.documentElement.dataset.api ?? "";
  const response = await fetch(`${base}/api/v1/auth/me`, {
    credentials: "omit",
    headers: { Authorization: `Bearer ${token.value}` },
    signal: AbortSignal.timeout(10_000),
  });
  const who = response.ok ? ((await response.json()) as { email: string }).email : "";
  return { ok: response.ok, who };
}

function counted(known: Use, answer: Answer): Partial<Use> {
  if (answer.ok) return { answers: known.answers + 1, who: answer.who, failure: "" };
  return { refusals: known.refusals + 1 };
}
