"use client";
// How pages call the task service: on the same origin, with the session cookie that the browser sends by itself.
import { leadingBack } from "./return-to";

export interface Task {
  id: string;
  title: string;
  done: boolean;
}

export interface Page {
  items: Task[];
  next: string | null;
}

/** A failure. The message is for the page. */
export class ApiError extends Error {}

/** Call the API and return its JSON. Without a session, go to the sign-in page and never return. */
export async function api<Answer>(path: string, init: RequestInit = {}): Promise<Answer> {
  const base = document.documentElement.dataset.api ?? "";
  const headers = init.body ? { "Content-Type": "application/json" } : undefined;
  let response: Response;
  try {
    response = await fetch(`${base}/api/v1${path}`, {
      credentials: base ? "include" : "same-origin",
      signal: AbortSignal.timeout(10_000),
      headers,
      ...init,
    });
  } catch {
    throw new ApiError("The server is not responding. Check your connection.");
  }
  if (response.status === 401) return goToSignIn();
  if (!response.ok) throw new ApiError(await problem(response));
  return (response.status === 204 ? undefined : await response.json()) as Answer;
}

/** Replace the page with the sign-in page, which leads back here. The browser's "back" does not return to this page. */
export function goToSignIn(): Promise<never> {
  location.replace(leadingBack("/sign-in", location.pathname + location.search, "ended") + location.hash);
  return new Promise(() => undefined);
}

async function problem(response: Response): Promise<string> {
  const body = (await response.json().catch(() => ({}))) as { reason?: string; detail?: string };
  if (body.reason === "banned_user") return "This account is banned.";
  if (response.status >= 500) return "The service is unavailable. Try again in a moment.";
  return body.detail ?? `The server refused the request (${response.status}${body.reason ? `, ${body.reason}` : ""}).`;
}
