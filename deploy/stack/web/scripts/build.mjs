// Runs after `next build`: adds the files that the standalone server needs, and bundles each script that runs without
// Next.js into one file.
import { cpSync } from "node:fs";
import { build } from "esbuild";

cpSync(".next/static", ".next/standalone/.next/static", { recursive: true });
await build({
  entryPoints: ["scripts/migrate.ts", "scripts/call-api.ts"],
  outdir: ".next/standalone",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  external: ["pg", "pg-native"], // the standalone server includes pg
  loader: { ".sql": "text" },
  logLevel: "warning",
  // CommonJS packages call require(), which ES modules do not have.
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
});
