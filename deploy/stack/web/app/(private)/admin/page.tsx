import type { UserWithRole } from "better-auth/plugins";
import type { Metadata } from "next";
import Form from "next/form";
import Link from "next/link";
import { auth } from "@/lib/auth";
import { isBanned } from "@/lib/ban";
import { USER_LENGTH } from "@/lib/user-length";
import { administrator } from "./administrator";
import { Users } from "./users";

export const metadata: Metadata = { title: "Users" };

const PER_PAGE = 50;
const UNNAMED = "No reason"; // what Better Auth stores if the administrator gave none

interface Query {
  email?: string | string[];
  page?: string | string[];
}

/** Lists users by e-mail. The address has the search and the page, so that it can be reloaded and sent to others. */
export default async function AdminPage({ searchParams }: { searchParams: Promise<Query> }) {
  const self = await administrator();
  const query = await searchParams;
  const email = String(query.email ?? "").trim();
  const { users, total, page } = await list(email, Number(query.page));
  const pages = Math.max(1, Math.ceil(total / PER_PAGE));
  const address = (number: number) => `/admin?${new URLSearchParams({ email, page: String(number) })}`;
  return (
    <>
      <h1>Users</h1>
      <Form action="/admin" className="row">
        <label>
          E-mail contains
          <input name="email" type="search" defaultValue={email} maxLength={USER_LENGTH.email} autoComplete="off" />
        </label>
        <button type="submit">Search</button>
      </Form>
      <p role="status" className="hint">
        {total === 1 ? "One user" : `${total} users`}
      </p>
      <Users
        self={self.id}
        users={users.map((user) => ({
          id: user.id,
          name: user.name,
          email: user.email,
          role: user.role ?? "user",
          ban: isBanned(user)
            ? { reason: user.banReason === UNNAMED ? "" : (user.banReason ?? ""), expires: user.banExpires?.toISOString() ?? "" }
            : null,
        }))}
      />
      {pages > 1 && (
        <nav className="row" aria-label="Pages">
          {page > 1 && <Link href={address(page - 1)}>Previous</Link>}
          Page {page} of {pages}
          {page < pages && <Link href={address(page + 1)}>Next</Link>}
        </nav>
      )}
    </>
  );
}

/** Return one page of the users whose addresses contain *email*. A *page* that does not exist is the nearest that does. */
async function list(email: string, page: number) {
  if (email.includes("\0")) return { users: [], total: 0, page: 1 }; // PostgreSQL refuses it in any text
  // Not api.listUsers(): during an outage of the database, that answers that there are no users.
  const { internalAdapter } = await auth().$context;
  const where = email ? [{ field: "email", operator: "contains" as const, value: email.toLowerCase() }] : undefined;
  const total = await internalAdapter.countTotalUsers(where);
  const nearest = Math.min(Math.max(1, Math.trunc(page) || 1), Math.max(1, Math.ceil(total / PER_PAGE)));
  const order = { field: "email", direction: "asc" as const };
  const users = await internalAdapter.listUsers(PER_PAGE, (nearest - 1) * PER_PAGE, order, where);
  return { users: users as UserWithRole[], total, page: nearest };
}
