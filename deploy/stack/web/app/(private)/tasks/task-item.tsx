"use client";
import { useRef, useState } from "react";
import { leaveRow } from "@/app/parts/row-focus";
import type { Task } from "@/lib/api";
import styles from "./tasks.module.css";

interface Actions {
  onTick: (done: boolean) => Promise<unknown>;
  /** Calls *leave* before the row goes. */
  onDelete: (leave: () => void) => Promise<unknown>;
  /** Where the focus goes when the last row is deleted. */
  otherwise: () => HTMLElement | null;
}

/** A task. A tick shows at once, and goes back if the server refuses it. Changes are sent one after the other. */
export function TaskItem({ task, onTick, onDelete, otherwise }: Actions & { task: Task }) {
  const [wanted, setWanted] = useState<boolean | null>(null);
  const [isDeleting, setDeleting] = useState(false);
  const row = useRef<HTMLLIElement>(null);
  const last = useRef<Promise<unknown>>(Promise.resolve());
  const done = wanted ?? task.done;

  async function tick() {
    if (isDeleting) return;
    setWanted(!done);
    const change = last.current.then(() => onTick(!done));
    last.current = change;
    await change;
    if (last.current === change) setWanted(null);
  }

  async function remove() {
    if (isDeleting) return;
    setDeleting(true);
    await last.current;
    await onDelete(() => row.current && leaveRow(row.current, otherwise()));
    setDeleting(false);
  }

  return (
    <li ref={row} aria-busy={isDeleting || wanted !== null} className={styles.task}>
      <label>
        <input type="checkbox" checked={done} onChange={tick} />
        <span dir="auto">{task.title}</span>
      </label>
      <button type="button" className="quiet" aria-label={`Delete ${task.title}`} onClick={remove}>
        Delete
      </button>
    </li>
  );
}
