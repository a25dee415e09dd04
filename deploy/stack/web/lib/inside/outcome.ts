// What the page /inside shows of each attempt. Client components import these types, so nothing here is for the server only.

export type Header = readonly [name: string, value: string];

/** An attempt before it was made, for the list. */
export interface AttemptTitle {
  name: string;
  group: "you" | "attack";
  title: string;
}

/** What became of an attempt. */
export interface Outcome {
  name: string;
  /** The request as a command, several lines if it is long. Secrets are $COOKIE and $TOKEN, never their values. */
  curl: string;
  status: number;
  /** The reason of the refusal. Null: AuthGate allowed the request, or the proxy refused it and gave no reason. */
  reason: string | null;
  /** Whether the proxy refused the request by itself: it did not ask AuthGate, or got no answer. */
  isFromProxy: boolean;
  requestId: string | null;
  /** How long the web server waited for the answer, all the way through the proxy. */
  milliseconds: number;
  /** The headers that the service saw. Null: no service got the request. Empty: one did that does not show them. */
  seen: readonly Header[] | null;
  /** What this answer means, in one sentence. */
  meaning: string;
  /** Which part stopped the attempt, and how, in one sentence. Null for what is allowed. */
  stoppedBy: string | null;
  /** False if this is not the answer that the list expects. The page then must not claim success. */
  asExpected: boolean;
}
