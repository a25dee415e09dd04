import type { Metadata } from "next";
import { TaskList } from "./task-list";

export const metadata: Metadata = { title: "Your tasks" };

export default function TasksPage() {
  return (
    <>
      <h1>Your tasks</h1>
      <TaskList />
    </>
  );
}
