-- Creates three roles, each with only the rights that its program needs, and their schemas. Run it as the owner of the
-- database, with psql 15 or later:
--
--   WEB_PASSWORD=… TASKS_PASSWORD=… AUTHGATE_PASSWORD=… psql --set ON_ERROR_STOP=1 --file roles.sql "$DATABASE_URL"
--
-- Run it again to change passwords. Hexadecimal passwords (openssl rand -hex 24) need no percent-encoding in a DSN.
\getenv web_password WEB_PASSWORD
\getenv tasks_password TASKS_PASSWORD
\getenv authgate_password AUTHGATE_PASSWORD

BEGIN;
-- The role web may create functions in public. With this path none of them can replace PostgreSQL's own here.
SET LOCAL search_path = pg_catalog, pg_temp;
SELECT format('CREATE ROLE %I LOGIN', name) FROM unnest(ARRAY['web', 'tasks', 'authgate']) AS name
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE web PASSWORD :'web_password' CONNECTION LIMIT 40;
ALTER ROLE tasks PASSWORD :'tasks_password' CONNECTION LIMIT 40;
ALTER ROLE authgate PASSWORD :'authgate_password' CONNECTION LIMIT 16;
ALTER ROLE authgate SET default_transaction_read_only = on;
GRANT web, tasks TO CURRENT_USER; -- needed to give them schemas, unless you are a superuser

SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO web, tasks, authgate', current_database()) \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO web;           -- Better Auth's tables
CREATE SCHEMA IF NOT EXISTS tasks AUTHORIZATION tasks; -- the task service's table
CREATE SCHEMA IF NOT EXISTS authgate AUTHORIZATION web; -- two views of Better Auth's tables, which AuthGate reads
GRANT USAGE ON SCHEMA authgate TO authgate;
COMMIT;
