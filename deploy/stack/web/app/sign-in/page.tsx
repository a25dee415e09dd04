import type { Metadata } from "next";
import Link from "next/link";
import { redirect } from "next/navigation";
import { CredentialsForm } from "@/app/credentials-form";
import { destination } from "@/lib/places";
import { session } from "@/lib/session";

export const metadata: Metadata = { title: "Sign in" };

export default async function SignIn({ searchParams }: { searchParams: Promise<{ next?: string | string[] }> }) {
  const next = destination((await searchParams).next);
  if (await session()) redirect(next);
  return (
    <main className="card">
      <h1>Sign in</h1>
      <p className="hint">Tasks, AuthGate’s example app</p>
      <CredentialsForm mode="sign-in" next={next} />
      <p>
        New here? <Link href={`/sign-up?next=${encodeURIComponent(next)}`}>Sign up</Link>
      </p>
    </main>
  );
}
