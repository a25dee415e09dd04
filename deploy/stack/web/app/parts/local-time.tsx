"use client";
import { useSyncExternalStore } from "react";

const FORMAT: Intl.DateTimeFormatOptions = { dateStyle: "medium", timeStyle: "short" };

/** *iso*, a time, in the visitor's time zone. Only the browser knows that: until it has taken over, the time is in UTC. */
export function LocalTime({ iso, seconds = false }: { iso: string; seconds?: boolean }) {
  const format: Intl.DateTimeFormatOptions = seconds ? { ...FORMAT, timeStyle: "medium" } : FORMAT;
  const text = useSyncExternalStore(
    neverChanges,
    () => shown(iso, format),
    () => `${shown(iso, { ...format, timeZone: "UTC" })} UTC`,
  );
  return <time dateTime={iso}>{text}</time>;
}

const neverChanges = () => () => undefined;

/** Return the time as "29 Nov 2026, 15:49", which no reader takes for another day. */
function shown(iso: string, format: Intl.DateTimeFormatOptions): string {
  return new Date(iso).toLocaleString("en-GB", format);
}
