import styles from "./skeleton.module.css";

/** The outline of a list that is on its way. Screen readers hear *text* instead. */
export function Skeleton({ text }: { text: string }) {
  return (
    <div aria-busy="true">
      <p role="status" className="visually-hidden">
        {text}
      </p>
      <div className={styles.lines} aria-hidden="true">
        <div />
        <div />
        <div />
      </div>
    </div>
  );
}
