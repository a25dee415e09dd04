// The command that sends a planned request, for the visitor to copy.
import { environment } from "../environment";
import type { PlannedRequest } from "./send";

/** Return *planned* as a command. It reads secrets from the variables COOKIE and TOKEN. */
export function curl({ method, path, headers, body, cookie, token }: PlannedRequest): string {
  const words = [`curl -i --path-as-is ${quoted(environment().url.origin + path)}`];
  if (method !== "GET" && body === undefined) words.push(`-X ${method}`);
  for (const [name, value] of headers) words.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (cookie !== undefined) words.push('-H "Cookie: $COOKIE"');
  if (token !== undefined) words.push('-H "Authorization: Bearer $TOKEN"');
  if (body !== undefined) words.push(`--data ${quoted(body)}`);
  const line = words.join(" ");
  return line.length <= 72 ? line : words.join(" \\\n  ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
