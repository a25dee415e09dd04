// The command that sends a planned request, for the visitor to copy.
import { environment } from "../environment";
import type { PlannedRequest } from "./send";

/** Return *planned* as a command, a line for each part. It reads secrets from the variables COOKIE and TOKEN. */
export function curl({ method, path, headers, body, cookie, token }: PlannedRequest): string {
  const words = [`curl -i ${quoted(environment().url.origin + path)}`];
  if (method !== "GET" && body === undefined) words.push(`-X ${method}`);
  for (const [name, value] of headers) words.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (cookie !== undefined) words.push('-H "Cookie: $COOKIE"');
  if (token !== undefined) words.push('-H "Authorization: Bearer $TOKEN"');
  if (body !== undefined) words.push(`--data ${quoted(body)}`);
  return words.join(" \\\n  ");
}

function quoted(text: string): string {
  if (/^[\w:/.%-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", "'\\''")}'`;
}
