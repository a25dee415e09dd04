"use client";

export default function Failure({ reset }: { reset: () => void }) {
  return (
    <main className="card">
      <h1>Service unavailable</h1>
      <p>You are still signed in. Try again in a moment.</p>
      <button type="button" onClick={reset}>
        Try again
      </button>
    </main>
  );
}
