import type { ReactNode } from "react";
import { administrator } from "./administrator";

/** Answers others with 404. The page checks again: a request for the page's data alone does not run the layout. */
export default async function AdminLayout({ children }: { children: ReactNode }) {
  await administrator();
  return children;
}
