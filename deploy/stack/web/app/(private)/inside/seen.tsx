import type { Header } from "@/lib/inside/outcome";
import styles from "./inside.module.css";

const CREDENTIALS = ["authorization", "cookie"];

/** The headers that reached the service. Those from AuthGate's answer come first; the visitor can open the others. */
export function Seen({ headers }: { headers: readonly Header[] | null }) {
  if (!headers) return <p className="hint">Nothing. The request never reached it.</p>;
  if (headers.length === 0) return <p className="hint">The request. This service does not show its headers.</p>;
  const isIdentity = ([name]: Header) => name.startsWith("x-user-");
  const others = headers.filter((header) => !isIdentity(header));
  const hasCredential = headers.some(([name]) => CREDENTIALS.includes(name));
  return (
    <>
      <HeaderList headers={headers.filter(isIdentity)} />
      <details className={styles.others}>
        <summary>
          {others.length} other headers{hasCredential ? "" : ", no cookie and no token"}
        </summary>
        <HeaderList headers={others} />
      </details>
    </>
  );
}

function HeaderList({ headers }: { headers: readonly Header[] }) {
  return (
    <dl className={styles.headers}>
      {headers.map(([name, value], index) => (
        <div key={index}>
          <dt>{name}</dt>
          <dd>{value || "(empty)"}</dd>
        </div>
      ))}
    </dl>
  );
}
