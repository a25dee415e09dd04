import type { Metadata } from "next";
import { redirect } from "next/navigation";
import { CredentialsForm } from "@/app/credentials-form";
import { OtherForm } from "@/app/other-form";
import { Welcome } from "@/app/welcome";
import { environment } from "@/lib/environment";
import { sentence } from "@/lib/reason";
import { returnPath } from "@/lib/return-to";
import { session, whySignedOut } from "@/lib/session";

export const metadata: Metadata = { title: "Sign in" };

interface Parameters {
  return_to?: string | string[];
  reason?: string | string[];
}

export default async function SignIn({ searchParams }: { searchParams: Promise<Parameters> }) {
  const { return_to, reason } = await searchParams;
  const returnTo = returnPath(return_to, environment().url.origin);
  if (await session()) redirect(returnTo);
  return (
    <Welcome>
      <h1>Sign in</h1>
      <CredentialsForm mode="sign-in" returnTo={returnTo} notice={sentence(await whySignedOut(), reason)} />
      <p>
        New here? <OtherForm page="/sign-up" returnTo={returnTo} title="Sign up" />
      </p>
    </Welcome>
  );
}
