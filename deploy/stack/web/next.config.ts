import type { NextConfig } from "next";

// For every answer: pages, scripts and styles, and Better Auth's. proxy.ts adds the policy with each page's nonce.
const EVERYWHERE = {
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "same-origin",
  // No other site's page gets a handle on this site's windows, or embeds anything of this site.
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  // What this site never uses. A script that got in could not ask for it either.
  "Permissions-Policy": [
    ...["camera", "microphone", "display-capture", "geolocation", "accelerometer", "gyroscope", "magnetometer"],
    ...["bluetooth", "hid", "midi", "serial", "usb", "payment", "publickey-credentials-get", "browsing-topics"],
  ]
    .map((feature) => `${feature}=()`)
    .join(", "),
};

// Better Auth's answers hold JWTs and say who somebody is. Its public keys are for everybody, and may be stored.
const SECRET = { "Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'" };

const list = (headers: Record<string, string>) => Object.entries(headers).map(([key, value]) => ({ key, value }));

const config: NextConfig = {
  output: "standalone",
  poweredByHeader: false,
  outputFileTracingRoot: import.meta.dirname,
  turbopack: { root: import.meta.dirname },
  images: { unoptimized: true },
  headers: () =>
    Promise.resolve([
      { source: "/:path*", headers: list(EVERYWHERE) },
      { source: "/api/auth/:path((?!jwks$).*)", headers: list(SECRET) },
    ]),
};

export default config;
