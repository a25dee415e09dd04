import styles from "./inside.module.css";

type Header = readonly [name: string, value: string];

/** The headers that reached the service: AuthGate's own first, the others on request. */
export function Seen({ headers }: { headers: readonly Header[] | null }) {
  if (!headers) return <p className="hint">Nothing. The request never reached it.</p>;
  if (headers.length === 0) return <p className="hint">The request. This service does not show its headers.</p>;
  const isIdentity = ([name]: Header) => name.startsWith("x-user-");
  const others = headers.filter((header) => !isIdentity(header));
  return (
    <>
      <HeaderList headers={headers.filter(isIdentity)} />
      <details className={styles.others}>
        <summary>{others.length} other headers, no cookie</summary>
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
