import { Skeleton } from "@/app/parts/skeleton";

/** Shown at once when a visitor goes from one private page to another. */
export default function Loading() {
  return <Skeleton text="Loading the page…" />;
}
