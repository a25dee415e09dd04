"use client";
import { useRef } from "react";
import { Skeleton } from "@/app/parts/skeleton";
import { NewTask } from "./new-task";
import { TaskItem } from "./task-item";
import styles from "./tasks.module.css";
import { useTasks } from "./use-tasks";

export function TaskList() {
  const { tasks, next, loading, status, failure, load, retry, add, tick, remove } = useTasks();
  const title = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLUListElement>(null);

  async function showMore() {
    const shown = tasks.length;
    await load(next);
    list.current?.children[shown]?.querySelector("input")?.focus();
  }

  return (
    <>
      <NewTask input={title} onAdd={add} />
      <p role="alert" className="failure">
        {failure}
      </p>
      <p role="status" className="hint break">
        {status && (
          <>
            {status.text} <bdi>{status.title}</bdi>
          </>
        )}
      </p>
      <ul ref={list} className="list">
        {tasks.map((task) => (
          <TaskItem
            key={task.id}
            task={task}
            onTick={(done) => tick(task, done)}
            onDelete={(leave) => remove(task, leave)}
            otherwise={() => title.current}
          />
        ))}
      </ul>
      {loading === "first" && <Skeleton text="Loading your tasks…" />}
      {loading === "failed" && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
      {loading === "over" && tasks.length === 0 && <p className={styles.empty}>Nothing to do. Add your first task above.</p>}
      {next && (
        <button type="button" onClick={showMore}>
          Show more
        </button>
      )}
    </>
  );
}
