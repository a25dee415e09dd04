-- The columns of sessions and users that AuthGate reads. It can read nothing else: no password, no IP address, no image.
-- deploy/stack/database/roles.sql creates the schema.
CREATE OR REPLACE VIEW authgate.session AS
  SELECT id, token, "userId", "expiresAt", "createdAt", "impersonatedBy" FROM public.session;
CREATE OR REPLACE VIEW authgate."user" AS
  SELECT id, name, email, "emailVerified", role, banned, "banExpires" FROM public."user";
GRANT SELECT ON authgate.session, authgate."user" TO authgate;
