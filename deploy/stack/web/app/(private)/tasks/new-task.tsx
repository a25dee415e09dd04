"use client";
import { type RefObject, type SubmitEvent, useState } from "react";

interface Props {
  input: RefObject<HTMLInputElement | null>;
  onAdd: (title: string) => Promise<boolean>;
}

/** The form for a new task. It keeps what was typed until the task is added. */
export function NewTask({ input, onAdd }: Props) {
  const [isAdding, setAdding] = useState(false);

  async function add(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const title = input.current?.value ?? "";
    if (isAdding) return;
    setAdding(true);
    if ((await onAdd(title)) && input.current?.value === title) form.reset();
    setAdding(false);
  }

  return (
    <form className="row" onSubmit={add} aria-busy={isAdding}>
      <label>
        New task
        <input ref={input} name="title" required maxLength={200} autoComplete="off" dir="auto" />
      </label>
      <button type="submit" aria-disabled={isAdding}>
        Add
      </button>
    </form>
  );
}
