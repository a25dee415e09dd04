import { Fragment } from "react";

/**
 * An e-mail address, an IP address or a name, of any length. Lines break after "@", "." and ":", and only then elsewhere.
 * `<bdi>` keeps a name that is written from right to left from reordering the text around it.
 */
export function Breakable({ text }: { text: string }) {
  return (
    <bdi className="break">
      {text.split(/(?<=[@.:])/).map((part, index) => (
        <Fragment key={index}>
          {index > 0 && <wbr />}
          {part}
        </Fragment>
      ))}
    </bdi>
  );
}
