import { Breakable } from "@/app/parts/breakable";
import { SignOut } from "./guard";
import type { Person } from "./header";
import styles from "./header.module.css";

/** A button that opens a menu: who is signed in, and the way out. The browser's own popover: Escape closes it. */
export function Account({ person }: { person: Person }) {
  return (
    <>
      <button type="button" popoverTarget="account" className={styles.account} aria-label={`Account of ${person.name}`}>
        <span aria-hidden="true">{initial(person.name)}</span>
      </button>
      <div id="account" popover="auto" className={styles.menu}>
        <p>
          <strong>
            <Breakable text={person.name} />
          </strong>
          <br />
          <span className="hint">
            <Breakable text={person.email} />
          </span>
        </p>
        {person.isAdministrator && <p className="badge">Administrator</p>}
        <SignOut />
      </div>
    </>
  );
}

/** Return the first letter of *name*, as people see letters: a flag or an accented letter is one. */
function initial(name: string): string {
  const [first] = new Intl.Segmenter().segment(name.trim().toLocaleUpperCase("en"));
  return first?.segment ?? "?";
}
