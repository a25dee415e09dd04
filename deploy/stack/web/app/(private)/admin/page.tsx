import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { signedIn } from "@/lib/session";
import { Users } from "./users";

export const metadata: Metadata = { title: "Users" };

export default async function AdminPage() {
  const { user } = await signedIn();
  if (user.role !== "admin") notFound();
  return (
    <>
      <h1>Users</h1>
      <Users self={user.id} />
    </>
  );
}
