import type { Metadata } from "next";
import Link from "next/link";
import { Mark } from "./mark";

export const metadata: Metadata = { title: "Page not found" };

export default function NotFound() {
  return (
    <main className="card">
      <Mark />
      <h1>Page not found</h1>
      <p>
        <Link href="/">Go to the home page</Link>
      </p>
    </main>
  );
}
