import { Pool } from "pg";

/** Return a pool whose every wait has an end. */
export function database(url: string): Pool {
  const pool = new Pool({
    connectionString: url,
    max: 10,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    query_timeout: 5_000,
    keepAlive: true,
  });
  // A connection that the database closes while nobody uses it: the pool makes another. Unheard, it would end the process.
  pool.on("error", (error) => console.warn(`PostgreSQL closed an idle connection: ${error.message}`));
  return pool;
}
