import { Pool } from "pg";

/** Return a pool whose every wait has an end; a question may take so many seconds. */
export function database(url: string, questionSeconds = 5): Pool {
  const pool = new Pool({
    connectionString: url,
    max: 10,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    query_timeout: questionSeconds * 1000,
    keepAlive: true,
  });
  // A connection that the database closes while nobody uses it: the pool makes another. Unheard, it would end the process.
  pool.on("error", (error) => console.warn(`PostgreSQL closed an idle connection: ${error.message}`));
  return pool;
}
