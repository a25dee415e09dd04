// Headers of every page. Next.js takes the nonce from the policy and puts it into its own scripts; nothing else runs.
import { type NextRequest, NextResponse } from "next/server";
import { environment } from "@/lib/environment";

export function proxy(request: NextRequest) {
  const nonce = Buffer.from(crypto.randomUUID()).toString("base64");
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}' 'strict-dynamic'${process.env.NODE_ENV === "development" ? " 'unsafe-eval'" : ""}`,
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ${environment().apiOrigin}`.trim(),
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  const headers = new Headers(request.headers);
  headers.set("x-path", request.nextUrl.pathname); // for the way back from the sign-in page
  headers.set("content-security-policy", policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set("content-security-policy", policy);
  response.headers.set("x-content-type-options", "nosniff");
  response.headers.set("referrer-policy", "same-origin");
  return response;
}

export const config = { matcher: "/((?!api/|_next/static/|icon\\.svg$).*)" };
