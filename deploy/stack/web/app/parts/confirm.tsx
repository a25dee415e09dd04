"use client";
import { type ReactNode, type SubmitEvent, useId } from "react";
import styles from "./confirm.module.css";

interface Question {
  title: ReactNode;
  /** What happens then, with fields if more must be known. */
  children: ReactNode;
  /** The text of the button that does it. */
  action: string;
  onConfirm: (fields: FormData) => void;
  onClose: () => void;
}

/** A question, in the browser's own dialog: Escape closes it, and the focus returns to the button that opened it. */
export function Confirm({ title, children, action, onConfirm, onClose }: Question) {
  const heading = useId();

  function confirm(event: SubmitEvent<HTMLFormElement>) {
    onConfirm(new FormData(event.currentTarget)); // the form's method closes the dialog afterwards
  }

  return (
    <dialog ref={showModal} aria-labelledby={heading} className={styles.dialog} onClose={onClose}>
      <form method="dialog" onSubmit={confirm}>
        <h2 id={heading}>{title}</h2>
        {children}
        <div className="row">
          <button type="button" className="quiet" onClick={(event) => event.currentTarget.closest("dialog")?.close()}>
            Cancel
          </button>
          <button type="submit" className="danger">
            {action}
          </button>
        </div>
      </form>
    </dialog>
  );
}

const showModal = (dialog: HTMLDialogElement | null) => dialog?.showModal();
