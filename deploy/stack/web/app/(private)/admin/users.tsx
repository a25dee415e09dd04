"use client";
import type { UserWithRole } from "better-auth/plugins";
import { useCallback, useEffect, useState } from "react";
import { goToSignIn } from "@/lib/api";
import { authClient } from "@/lib/auth-client";

const PER_PAGE = 50;

export function Users({ self }: { self: string }) {
  const [users, setUsers] = useState<UserWithRole[]>([]);
  const [total, setTotal] = useState(0);
  const [offset, setOffset] = useState(0);
  const [status, setStatus] = useState("");

  const load = useCallback(async () => {
    const query = { limit: PER_PAGE, offset, sortBy: "email", sortDirection: "asc" as const };
    const { data, error } = await authClient.admin.listUsers({ query });
    if (error?.status === 401) return goToSignIn();
    return data;
  }, [offset]);

  const show = useCallback((page: Awaited<ReturnType<typeof load>>) => {
    setUsers(page?.users ?? []);
    setTotal(page?.total ?? 0);
    if (!page) setStatus("The users could not be loaded. Reload the page.");
  }, []);

  useEffect(() => {
    let isCurrent = true; // ignore the answer if the visitor has moved to another page
    void load().then((page) => isCurrent && show(page));
    return () => {
      isCurrent = false;
    };
  }, [load, show]);

  async function toggle(user: UserWithRole) {
    const { error } = user.banned
      ? await authClient.admin.unbanUser({ userId: user.id })
      : await authClient.admin.banUser({ userId: user.id });
    if (error?.status === 401) return goToSignIn();
    const change = user.banned ? "can sign in again" : "is banned and signed out everywhere";
    const cause = error?.message || "the server is not responding";
    setStatus(error ? `That did not work: ${cause}` : `${user.email} ${change}.`);
    if (!error) show(await load());
  }

  return (
    <>
      <p role="status">{status}</p>
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">E-mail</th>
            <th scope="col">Role</th>
            <th scope="col">Action</th>
          </tr>
        </thead>
        <tbody>
          {users.map((user) => (
            <tr key={user.id}>
              <td className="break">{user.name}</td>
              <td className="break">{user.email}</td>
              <td>{user.role ?? "user"}</td>
              <td>
                {user.id === self ? (
                  "You"
                ) : (
                  <button
                    type="button"
                    className="quiet"
                    aria-label={`${user.banned ? "Unban" : "Ban"} ${user.email}`}
                    onClick={() => toggle(user)}
                  >
                    {user.banned ? "Unban" : "Ban"}
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {total > PER_PAGE && (
        <div className="row">
          <span role="status">
            {offset + 1}–{offset + users.length} of {total}
          </span>
          <button type="button" disabled={offset === 0} onClick={() => setOffset(offset - PER_PAGE)}>
            Previous
          </button>
          <button type="button" disabled={offset + PER_PAGE >= total} onClick={() => setOffset(offset + PER_PAGE)}>
            Next
          </button>
        </div>
      )}
    </>
  );
}
