"use client";

export default function Failure({ reset }: { reset: () => void }) {
  return (
    <main className="card">
      <h1>The service does not answer</h1>
      <p>This signs nobody out. Try again in a moment.</p>
      <button type="button" onClick={reset}>
        Try again
      </button>
    </main>
  );
}
