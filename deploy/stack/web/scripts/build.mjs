// After `next build`: what the standalone server needs beside it, and the scripts that run without Next.js, each one file.
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
  external: ["pg", "pg-native"], // the standalone server has pg beside it
  loader: { ".sql": "text" },
  logLevel: "warning",
  // Packages in the old format call require(), which a module does not have by itself.
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
});
