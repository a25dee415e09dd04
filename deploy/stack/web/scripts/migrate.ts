// Creates or updates Better Auth's tables, creates the views that AuthGate reads and, if ADMIN_EMAIL is set, creates an
// administrator. Run it at each deployment: it changes only what is missing.
import { getMigrations } from "better-auth/db/migration";
import { make } from "../lib/auth";
import { database } from "../lib/database";
import { environment, setting, WrongSetting } from "../lib/environment";
import views from "./authgate-views.sql";

const LOCK = 4190; // any number; it makes simultaneous migrations run one after the other
const QUERY_SECONDS = 600; // for waiting for another migration, and for an index on a large table

type Auth = ReturnType<typeof make>;

async function migrate(): Promise<void> {
  const settings = environment();
  const auth = make(settings, QUERY_SECONDS);
  const pool = database(settings.databaseUrl, QUERY_SECONDS);
  const connection = await pool.connect();
  try {
    await connection.query("SELECT pg_advisory_lock($1)", [LOCK]);
    const { toBeAdded, toBeCreated, runMigrations } = await getMigrations(auth.options);
    await runMigrations();
    console.log(`Better Auth: ${toBeCreated.length} tables created, ${toBeAdded.length} tables extended.`);
    await connection.query(views);
    await createAdministrator(auth);
  } finally {
    connection.release(true); // closes the connection, which releases the lock
    await pool.end();
  }
}

async function createAdministrator(auth: Auth): Promise<void> {
  const email = setting("ADMIN_EMAIL");
  if (!email) return;
  const { internalAdapter } = await auth.$context;
  if (await internalAdapter.findUserByEmail(email.toLowerCase())) return;
  const password = setting("ADMIN_PASSWORD");
  if (password.length < 12) throw new WrongSetting("ADMIN_PASSWORD must have at least 12 characters");
  await auth.api.createUser({ body: { email, password, name: "Administrator", role: "admin" } });
  console.log(`Created the administrator ${email}.`);
}

try {
  await migrate();
  process.exit(0); // Better Auth's own pool is still open
} catch (error) {
  console.error(error instanceof WrongSetting ? `Wrong setting: ${error.message}` : error);
  process.exit(error instanceof WrongSetting ? 78 : 1);
}
