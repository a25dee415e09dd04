// The visitor of the page /inside, in whose name the attempts are made.
import { isAdministrator } from "../administrator";
import type { Session } from "../session";

export interface Visitor {
  user: Session["user"];
  /** The Cookie header that the browser sent. */
  cookie: string;
  isAdministrator: boolean;
}

export function visitor(session: Session, cookie: string): Visitor {
  return { user: session.user, cookie, isAdministrator: isAdministrator(session) };
}
