// The tables of Better Auth with the plugins of the tests.
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

/** Return an empty database, as the memory adapter takes it. */
export const emptyRows = () => Object.fromEntries(TABLES.map((table) => [table, []]));
