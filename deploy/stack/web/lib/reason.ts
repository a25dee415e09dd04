// Why somebody is asked to sign in. The server knows it from the cookie and the database, and a page that leads to the
// sign-in page says it in the parameter `reason`.

const SENTENCES = {
  signed_out: "You are signed out.",
  ended: "Your session has ended. Please sign in again.",
  banned: "Your account is banned.",
};

export type Reason = keyof typeof SENTENCES;

// Anybody can make a link to the sign-in page, so it chooses one of these sentences and brings no text of its own.
const IN_ADDRESSES: readonly string[] = ["signed_out", "ended"] satisfies Reason[];

/** Where one's own sign-out leads. */
export const SIGNED_OUT = "/sign-in?reason=signed_out";

/** Return the sentence for the reason that the server knows, or else for the one in the page's address, or "". */
export function sentence(known: Reason | undefined, inAddress: string | string[] | undefined): string {
  if (known) return SENTENCES[known];
  return typeof inAddress === "string" && IN_ADDRESSES.includes(inAddress) ? SENTENCES[inAddress as Reason] : "";
}
