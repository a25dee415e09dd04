import { Skeleton } from "./skeleton";

/**
 * Shown at once when a visitor goes from one private page to another. Each page names it in its own loading.tsx, not all of
 * them in one: what waits inside such a frame can no longer answer with 404.
 */
export function Loading() {
  return <Skeleton text="Loading the page…" />;
}
