import type { Metadata } from "next";
import { redirect } from "next/navigation";
import { CredentialsForm } from "@/app/credentials-form";
import { OtherForm } from "@/app/other-form";
import { Welcome } from "@/app/welcome";
import { environment } from "@/lib/environment";
import { returnPath } from "@/lib/return-to";
import { session } from "@/lib/session";

export const metadata: Metadata = { title: "Sign in" };

export default async function SignIn({ searchParams }: { searchParams: Promise<{ return_to?: string | string[] }> }) {
  const returnTo = returnPath((await searchParams).return_to, environment().url.origin);
  if (await session()) redirect(returnTo);
  return (
    <Welcome>
      <h1>Sign in</h1>
      <CredentialsForm mode="sign-in" returnTo={returnTo} />
      <p>
        New here? <OtherForm page="/sign-up" returnTo={returnTo} title="Sign up" />
      </p>
    </Welcome>
  );
}
