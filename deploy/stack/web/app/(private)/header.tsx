import Link from "next/link";
import { Mark } from "@/app/mark";
import { Account } from "./account";
import styles from "./header.module.css";
import { Navigation } from "./navigation";

export interface Person {
  name: string;
  email: string;
  isAdministrator: boolean;
}

/** The one row at the top of private pages. On narrow screens the links scroll sideways. */
export function Header({ person }: { person: Person }) {
  return (
    <header className={styles.header}>
      <div className={styles.row}>
        <Link href="/inside" className={`brand ${styles.home}`} aria-label="AuthGate example">
          <Mark />
          <span className={styles.name} aria-hidden="true">
            AuthGate <small>example</small>
          </span>
        </Link>
        <Navigation isAdministrator={person.isAdministrator} />
        <Account person={person} />
      </div>
    </header>
  );
}
