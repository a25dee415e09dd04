import { Pool } from "pg";

/** Return a pool with a limit on every wait. A query may take *querySeconds*. */
export function database(url: string, querySeconds = 5): Pool {
  const pool = new Pool({
    connectionString: url,
    max: 10,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    query_timeout: querySeconds * 1000,
    keepAlive: true,
  });
  // The database closed an idle connection; the pool opens another. Without this listener the process would exit.
  pool.on("error", (error) => console.warn(`PostgreSQL closed an idle connection: ${error.message}`));
  return pool;
}
