// Makes Better Auth's tables, or brings them up to date; makes the views that AuthGate may read; and, where ADMIN_EMAIL is
// set, an administrator. Run again at each deployment: it changes only what is missing.
import { getMigrations } from "better-auth/db/migration";
import { make } from "../lib/auth";
import { database } from "../lib/database";
import { environment, setting, WrongSetting } from "../lib/environment";
import views from "./authgate-views.sql";

const LOCK = 4190; // whichever number: two that migrate at once take turns
const QUESTION_SECONDS = 600; // to wait for the other, and to make an index of a large table

type Auth = ReturnType<typeof make>;

async function migrate(): Promise<void> {
  const set = environment();
  const auth = make(set, QUESTION_SECONDS);
  const pool = database(set.databaseUrl, QUESTION_SECONDS);
  const connection = await pool.connect();
  try {
    await connection.query("SELECT pg_advisory_lock($1)", [LOCK]);
    const { toBeAdded, toBeCreated, runMigrations } = await getMigrations(auth.options);
    await runMigrations();
    console.log(`Better Auth: ${toBeCreated.length} tables made, ${toBeAdded.length} tables extended.`);
    await connection.query(views);
    await administrator(auth);
  } finally {
    connection.release(true); // which gives the lock back
    await pool.end();
  }
}

async function administrator(auth: Auth): Promise<void> {
  const email = setting("ADMIN_EMAIL");
  if (!email) return;
  const { internalAdapter } = await auth.$context;
  if (await internalAdapter.findUserByEmail(email.toLowerCase())) return;
  const password = setting("ADMIN_PASSWORD");
  if (password.length < 12) throw new WrongSetting("ADMIN_PASSWORD must have 12 characters or more");
  await auth.api.createUser({ body: { email, password, name: "Administrator", role: "admin" } });
  console.log(`Administrator ${email} made.`);
}

try {
  await migrate();
  process.exit(0); // Better Auth's own pool is open still
} catch (error) {
  console.error(error instanceof WrongSetting ? `Wrong setting: ${error.message}` : error);
  process.exit(error instanceof WrongSetting ? 78 : 1);
}
