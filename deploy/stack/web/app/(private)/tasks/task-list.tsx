"use client";
import { type SubmitEvent, useCallback, useEffect, useRef, useState } from "react";
import { ApiError, api, type Page, type Task } from "@/lib/api";

/** Return *loaded* and the tasks of *more* that it lacks: a task may be added before the first page has loaded. */
function merge(loaded: Task[], more: Task[]): Task[] {
  const ids = new Set(loaded.map((task) => task.id));
  return [...loaded, ...more.filter((task) => !ids.has(task.id))];
}

/** The user's tasks. The API knows the user from the session cookie, which AuthGate verifies. */
export function TaskList() {
  const [tasks, setTasks] = useState<Task[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [failure, setFailure] = useState("");
  const [status, setStatus] = useState("");
  const title = useRef<HTMLInputElement>(null);
  const busy = useRef(new Set<string>());

  // Runs *work* once at a time for each *key*: a second click while the first is under way does nothing.
  const attempt = useCallback(async (key: string, work: () => Promise<void>) => {
    if (busy.current.has(key)) return;
    busy.current.add(key);
    try {
      await work();
      setFailure("");
    } catch (error) {
      setFailure(error instanceof ApiError ? error.message : "Something went wrong. Reload the page.");
    } finally {
      busy.current.delete(key);
    }
  }, []);

  const load = useCallback(
    (after: string | null) =>
      attempt("load", async () => {
        const page = await api<Page>(`/tasks?limit=50${after ? `&after=${encodeURIComponent(after)}` : ""}`);
        setTasks((loaded) => merge(loaded ?? [], page.items));
        setNext(page.next);
      }),
    [attempt],
  );

  useEffect(() => {
    void (async () => {
      await load(null);
    })();
  }, [load]);

  function add(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    void attempt("add", async () => {
      const body = JSON.stringify({ title: title.current?.value });
      const task = await api<Task>("/tasks", { method: "POST", body });
      setTasks((loaded) => [task, ...(loaded ?? [])]);
      setStatus(`Added ${task.title}.`);
      if (title.current) title.current.value = "";
    });
  }

  const tick = (task: Task) =>
    attempt(task.id, async () => {
      const body = JSON.stringify({ done: !task.done });
      const changed = await api<Task>(`/tasks/${task.id}`, { method: "PATCH", body });
      setTasks((loaded) => (loaded ?? []).map((other) => (other.id === task.id ? changed : other)));
    });

  const remove = (task: Task) =>
    attempt(task.id, async () => {
      await api(`/tasks/${task.id}`, { method: "DELETE" });
      setTasks((loaded) => (loaded ?? []).filter((other) => other.id !== task.id));
      setStatus(`Deleted ${task.title}.`);
      title.current?.focus();
    });

  return (
    <>
      <form className="row" onSubmit={add}>
        <label>
          New task
          <input ref={title} name="title" required maxLength={200} autoComplete="off" />
        </label>
        <button type="submit">Add</button>
      </form>
      <p role="alert" className="failure">
        {failure}
      </p>
      {failure && tasks === null && (
        <button type="button" onClick={() => load(null)}>
          Try again
        </button>
      )}
      <p role="status" className="hint">
        {tasks === null ? (failure ? "" : "Loading…") : tasks.length === 0 ? "No tasks yet." : status}
      </p>
      <ul className="list">
        {tasks?.map((task) => (
          <li key={task.id}>
            <label>
              <input type="checkbox" checked={task.done} onChange={() => tick(task)} />
              <span>{task.title}</span>
            </label>
            <button type="button" className="quiet" aria-label={`Delete ${task.title}`} onClick={() => remove(task)}>
              Delete
            </button>
          </li>
        ))}
      </ul>
      {next && (
        <button type="button" onClick={() => load(next)}>
          Show more
        </button>
      )}
    </>
  );
}
