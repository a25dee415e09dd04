import type { Session } from "./session";

/** Whether AuthGate's policy `admin` lets the user pass: administrators, unless they act as another user. */
export function isAdministrator({ user, session }: Session): boolean {
  const roles = (user.role ?? "").split(","); // Better Auth separates several roles by commas
  return roles.includes("admin") && !session.impersonatedBy;
}
