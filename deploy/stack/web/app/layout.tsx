import type { Metadata, Viewport } from "next";
import { headers } from "next/headers";
import type { ReactNode } from "react";
import { environment } from "@/lib/environment";
import "./globals.css";

export const metadata: Metadata = {
  title: { default: "AuthGate example", template: "%s · AuthGate example" },
  robots: "noindex",
};
export const viewport: Viewport = { colorScheme: "light dark" };

export default async function Layout({ children }: { children: ReactNode }) {
  await headers(); // render each page per request: it has the nonce of its scripts
  return (
    <html lang="en" data-api={environment().apiOrigin}>
      <body>{children}</body>
    </html>
  );
}
