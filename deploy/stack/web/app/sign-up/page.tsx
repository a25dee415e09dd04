import type { Metadata } from "next";
import Link from "next/link";
import { redirect } from "next/navigation";
import { CredentialsForm } from "@/app/credentials-form";
import { destination } from "@/lib/places";
import { session } from "@/lib/session";

export const metadata: Metadata = { title: "Sign up" };

export default async function SignUp({ searchParams }: { searchParams: Promise<{ next?: string | string[] }> }) {
  const next = destination((await searchParams).next);
  if (await session()) redirect(next);
  return (
    <main className="card">
      <h1>Sign up</h1>
      <p className="hint">Tasks, AuthGate’s example app</p>
      <CredentialsForm mode="sign-up" next={next} />
      <p>
        Already have an account? <Link href={`/sign-in?next=${encodeURIComponent(next)}`}>Sign in</Link>
      </p>
    </main>
  );
}
