import { redirect } from "next/navigation";
import { session } from "@/lib/session";

export default async function Start() {
  redirect((await session()) ? "/tasks" : "/sign-in");
}
