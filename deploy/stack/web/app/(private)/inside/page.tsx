import type { Metadata } from "next";
import { TITLES } from "@/lib/inside/attempts";
import { signedIn } from "@/lib/session";
import { Attempts } from "./attempts";
import styles from "./inside.module.css";
import { Path } from "./path";

export const metadata: Metadata = { title: "What just happened" };

export default async function InsidePage() {
  await signedIn(); // checked here too: a request for the page's data alone does not run the layout
  return (
    <>
      <h1>What just happened</h1>
      <p className={styles.lead}>
        You opened a page, and a service knew who you are. Below are the requests behind that. The web server sends them through
        the proxy now: first as you, then as an attacker would.
      </p>
      <Path />
      <Attempts titles={TITLES} />
      <p className="hint">
        In the commands, $COOKIE and $TOKEN stand for your cookie, and for credentials that the web server makes for an attempt.
        This page never has their values.
      </p>
    </>
  );
}
