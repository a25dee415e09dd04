import type { Metadata } from "next";
import { signedIn } from "@/lib/session";
import { TaskList } from "./task-list";

export const metadata: Metadata = { title: "Your tasks" };

export default async function TasksPage() {
  await signedIn(); // checked here too: a request for the page's data alone does not run the layout
  return (
    <>
      <h1>Your tasks</h1>
      <TaskList />
    </>
  );
}
