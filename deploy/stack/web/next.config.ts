import type { NextConfig } from "next";

// For every answer: pages, scripts and styles, and Better Auth's. proxy.ts adds the policy with each page's nonce.
const EVERYWHERE = {
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "same-origin",
  // Pages of other sites cannot reach this site's windows, and cannot embed its files.
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  // Features that this site does not use. An injected script cannot use them either.
  "Permissions-Policy": [
    ...["camera", "microphone", "display-capture", "geolocation", "accelerometer", "gyroscope", "magnetometer"],
    ...["bluetooth", "hid", "midi", "serial", "usb", "payment", "publickey-credentials-get", "browsing-topics"],
  ]
    .map((feature) => `${feature}=()`)
    .join(", "),
};

// Better Auth's answers hold JWTs and personal data. Caches may store only its public keys.
const SECRET = { "Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'" };

const pairs = (headers: Record<string, string>) => Object.entries(headers).map(([key, value]) => ({ key, value }));

const config: NextConfig = {
  output: "standalone",
  poweredByHeader: false,
  outputFileTracingRoot: import.meta.dirname,
  turbopack: { root: import.meta.dirname },
  images: { unoptimized: true },
  headers: () =>
    Promise.resolve([
      { source: "/:path*", headers: pairs(EVERYWHERE) },
      { source: "/api/auth/:path((?!jwks$).*)", headers: pairs(SECRET) },
    ]),
};

export default config;
