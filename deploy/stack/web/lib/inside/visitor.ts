// The visitor of the page /inside, in whose name the attempts are made.
import type { auth } from "../auth";

type Session = NonNullable<Awaited<ReturnType<ReturnType<typeof auth>["api"]["getSession"]>>>;

export interface Visitor {
  user: Session["user"];
  /** The Cookie header that the browser sent. */
  cookie: string;
  /** Whether the policy `admin` lets the visitor pass: administrators, unless they act as another user. */
  isAdministrator: boolean;
}

export function visitor({ user, session }: Session, cookie: string): Visitor {
  const roles = (user.role ?? "").split(",");
  return { user, cookie, isAdministrator: roles.includes("admin") && !session.impersonatedBy };
}
