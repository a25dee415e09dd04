// The tables that Better Auth needs with the plugins of the tests.
const TABLES = [
  "user",
  "session",
  "account",
  "verification",
  "jwks",
  "twoFactor",
  "organization",
  "member",
  "invitation",
];

/** Return an empty database for the memory adapter. */
export const emptyRows = () => Object.fromEntries(TABLES.map((table) => [table, []]));
