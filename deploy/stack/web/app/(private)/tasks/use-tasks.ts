"use client";
import { useCallback, useEffect, useState } from "react";
import { flushSync } from "react-dom";
import { ApiError, api, type Page, type Task } from "@/lib/api";

interface Status {
  text: string;
  title: string;
}

/** The user's tasks, and what can be done with them. The API knows the user from the cookie, which AuthGate verifies. */
export function useTasks() {
  const [tasks, setTasks] = useState<Task[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [loading, setLoading] = useState<"first" | "failed" | "over">("first");
  const [status, setStatus] = useState<Status | null>(null);
  const [failure, setFailure] = useState("");

  /** Run *work*. If it fails, say that *text* did not work, and why. Return whether it worked. */
  const attempt = useCallback(async (text: string, work: () => Promise<void>): Promise<boolean> => {
    setFailure(""); // screen readers read the same failure again only if it was gone
    setStatus(null);
    try {
      await work();
      return true;
    } catch (error) {
      setFailure(`${text} ${error instanceof ApiError ? error.message : "Reload the page."}`);
      return false;
    }
  }, []);

  const load = useCallback(
    async (after: string | null) => {
      const query = after ? `&after=${encodeURIComponent(after)}` : "";
      const worked = await attempt("The tasks could not be loaded.", async () => {
        const page = await api<Page>(`/tasks?limit=50${query}`);
        // At once: the caller moves the focus to the first of them.
        flushSync(() => {
          setTasks((loaded) => merge(loaded, page.items));
          setNext(page.next);
        });
      });
      if (worked) setLoading("over");
      else if (!after) setLoading("failed");
    },
    [attempt],
  );

  useEffect(() => {
    void (async () => {
      await load(null);
    })();
  }, [load]);

  const retry = async () => {
    setLoading("first");
    await load(null);
  };

  const add = (title: string) =>
    attempt("The task was not added.", async () => {
      const task = await api<Task>("/tasks", { method: "POST", body: JSON.stringify({ title }) });
      setTasks((loaded) => [task, ...loaded]);
      setStatus({ text: "Added:", title: task.title });
    });

  const tick = (task: Task, done: boolean) =>
    attempt("The task was not changed.", async () => {
      const changed = await api<Task>(`/tasks/${task.id}`, { method: "PATCH", body: JSON.stringify({ done }) });
      setTasks((loaded) => loaded.map((other) => (other.id === task.id ? changed : other)));
      setStatus({ text: done ? "Done:" : "Not done:", title: task.title });
    });

  const remove = (task: Task, leave: () => void) =>
    attempt("The task was not deleted.", async () => {
      await api(`/tasks/${task.id}`, { method: "DELETE" });
      leave();
      setTasks((loaded) => loaded.filter((other) => other.id !== task.id));
      setStatus({ text: "Deleted:", title: task.title });
    });

  return { tasks, next, loading, status, failure, load, retry, add, tick, remove };
}

/** Return *loaded* and the tasks of *more* that it lacks: a task may be added before the first page has loaded. */
function merge(loaded: Task[], more: Task[]): Task[] {
  const ids = new Set(loaded.map((task) => task.id));
  return [...loaded, ...more.filter((task) => !ids.has(task.id))];
}
