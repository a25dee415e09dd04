"use client";
import { adminClient } from "better-auth/client/plugins";
import { createAuthClient } from "better-auth/react";

/** Better Auth in the browser: it asks /api/auth/ on this origin. */
export const authClient = createAuthClient({
  plugins: [adminClient()],
  // A network that fails is an answer like others, with an error in it, and no wait is without end.
  fetchOptions: { catchAllError: true, timeout: 10_000 },
});
