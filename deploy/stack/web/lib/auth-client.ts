"use client";
import { adminClient } from "better-auth/client/plugins";
import { createAuthClient } from "better-auth/react";

/** Better Auth in the browser: it asks /api/auth/ on this origin. */
export const authClient = createAuthClient({ plugins: [adminClient()] });
