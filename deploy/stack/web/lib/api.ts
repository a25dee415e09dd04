"use client";
// The task service, as pages ask it: on the same origin, with the session cookie that the browser sends by itself.

export interface Task {
  id: string;
  title: string;
  done: boolean;
}

export interface Page {
  items: Task[];
  next: string | null;
}

/** What went wrong, in words for the page. */
export class ApiError extends Error {}

/** Ask the API and return its JSON. Without a session the browser goes to the sign-in page, and this never returns. */
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
    throw new ApiError("The server does not answer. Are you online?");
  }
  if (response.status === 401) return goToSignIn();
  if (!response.ok) throw new ApiError(await problem(response));
  return (response.status === 204 ? undefined : await response.json()) as Answer;
}

/** Leave the page for the sign-in page, so that "back" does not lead to it. */
export function goToSignIn(): Promise<never> {
  location.replace(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
  return new Promise(() => {});
}

async function problem(response: Response): Promise<string> {
  const found = (await response.json().catch(() => ({}))) as { reason?: string; detail?: string };
  if (found.reason === "banned_user") return "This account is banned.";
  if (response.status >= 500) return "The service is not available just now. Try again in a moment.";
  return found.detail ?? `The server refused this (${response.status}${found.reason ? `, ${found.reason}` : ""}).`;
}
