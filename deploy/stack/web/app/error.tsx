"use client";
import type { ErrorInfo } from "next/error";
import { Failure } from "./parts/failure";

export default function ErrorPage({ retry }: ErrorInfo) {
  return (
    <main className="card">
      <Failure retry={retry} />
    </main>
  );
}
