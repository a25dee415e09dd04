"use client";
import { useTransition } from "react";

/** What a page shows that could not be loaded. *retry* fetches it again. */
export function Failure({ retry }: { retry: () => void }) {
  const [isRetrying, startTransition] = useTransition();
  return (
    <>
      <title>Page not loaded · AuthGate example</title>
      <h1>This page could not be loaded</h1>
      <p role="alert">The server had a problem. Try again in a moment.</p>
      <button type="button" aria-disabled={isRetrying} onClick={() => isRetrying || startTransition(retry)}>
        {isRetrying ? "Trying…" : "Try again"}
      </button>
    </>
  );
}
