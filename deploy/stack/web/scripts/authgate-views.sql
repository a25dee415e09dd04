-- What AuthGate reads of a session and its user, and nothing else: no password, no address, no image. The schema is made by
-- deploy/stack/database/roles.sql.
CREATE OR REPLACE VIEW authgate.session AS
  SELECT id, token, "userId", "expiresAt", "createdAt", "impersonatedBy" FROM public.session;
CREATE OR REPLACE VIEW authgate."user" AS
  SELECT id, name, email, "emailVerified", role, banned, "banExpires" FROM public."user";
GRANT SELECT ON authgate.session, authgate."user" TO authgate;
