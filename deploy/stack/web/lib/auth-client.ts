"use client";
import { adminClient } from "better-auth/client/plugins";
import { createAuthClient } from "better-auth/react";

/** Better Auth in the browser. It calls /api/auth/ on this origin. */
export const authClient = createAuthClient({
  plugins: [adminClient()],
  // Return network failures as errors instead of throwing, and limit every wait.
  fetchOptions: { catchAllError: true, timeout: 10_000 },
});
