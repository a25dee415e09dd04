"use client";
import type { ErrorInfo } from "next/error";
import { Failure } from "@/app/parts/failure";

/** Unlike app/error.tsx, it keeps the header. */
export default function PrivateErrorPage({ retry }: ErrorInfo) {
  return <Failure retry={retry} />;
}
