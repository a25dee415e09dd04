"use client";
import type { MouseEvent } from "react";
import { leadingBack } from "@/lib/return-to";

/** The link between the sign-in page and the sign-up page. It keeps the way back, with the fragment of this address. */
export function OtherForm({ page, returnTo, title }: { page: string; returnTo: string; title: string }) {
  const keepFragment = (event: MouseEvent<HTMLAnchorElement>) => {
    event.currentTarget.hash = location.hash;
  };
  return (
    <a href={leadingBack(page, returnTo)} onClick={keepFragment}>
      {title}
    </a>
  );
}
