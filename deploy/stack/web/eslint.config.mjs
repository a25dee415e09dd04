// Next's rules, React's with those of its compiler, accessibility, and TypeScript's strictest. `npm run lint` runs it.
import next from "@next/eslint-plugin-next";
import accessibility from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import { defineConfig, globalIgnores } from "eslint/config";
import typescript from "typescript-eslint";

export default defineConfig(
  globalIgnores([".next/", "next-env.d.ts"]),
  next.configs["core-web-vitals"],
  hooks.configs.flat["recommended-latest"],
  accessibility.flatConfigs.strict,
  typescript.configs.strictTypeChecked,
  typescript.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }], // () => setOpen(true)
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }], // async onClick
      "@typescript-eslint/prefer-nullish-coalescing": ["error", { ignorePrimitives: { string: true } }], // "" is missing, too
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }], // a number has one spelling
      "jsx-a11y/no-autofocus": "off", // the sign-in page is its form, and this saves everybody a step
    },
  },
  { files: ["**/*.mjs"], extends: [typescript.configs.disableTypeChecked] },
);
