"use client";
import type { ErrorInfo } from "next/error";
import ErrorPage from "./error";
import "./globals.css";

/** Replaces the root layout when that fails, so it needs a document of its own. */
export default function GlobalErrorPage(info: ErrorInfo) {
  return (
    <html lang="en">
      <body>
        <ErrorPage {...info} />
      </body>
    </html>
  );
}
