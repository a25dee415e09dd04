// Sends one request through the proxy exactly as it is written. fetch() would resolve "..", change the names of headers
// and refuse a Host of another name.
import http from "node:http";
import https from "node:https";
import { environment } from "../environment";
import type { Header } from "./outcome";

export interface PlannedRequest {
  method: "GET" | "POST";
  path: string;
  headers: readonly Header[];
  body?: string;
  /** Secrets have fields of their own, so that they cannot get into what the page shows. */
  cookie?: string;
  token?: string;
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** Its first 64 KiB. */
  body: string;
  milliseconds: number;
}

/** A request that was sent, and its answer. */
export interface Sent {
  planned: PlannedRequest;
  answer: Answer;
  /** What the answer means, if it takes several requests to know that. */
  meaning?: string;
}

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 64 * 1024;

/** Send *planned* to the proxy with this site's Host, and return the answer. Throw if there is none within 5 s. */
export async function send(planned: PlannedRequest): Promise<Answer> {
  const { url, edgeUrl } = environment();
  const request = edgeUrl.protocol === "https:" ? https.request : http.request;
  const began = performance.now();
  const sent = request({
    agent: false, // a connection for each request: turns.ts says how many there are at the same time
    host: edgeUrl.hostname.replace(/^\[|\]$/g, ""), // an IPv6 address without its brackets
    port: edgeUrl.port,
    servername: url.hostname, // the proxy's certificate is for the name that browsers use
    method: planned.method,
    path: planned.path,
    headers: headerLines(planned, url.host).flat(),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const response = await responseTo(sent, planned.body);
  const body = response.statusCode === 101 ? "" : await beginningOf(response);
  return { status: response.statusCode ?? 0, headers: response.headers, body, milliseconds: performance.now() - began };
}

function headerLines({ headers, body, cookie, token }: PlannedRequest, host: string): Header[] {
  const lines: Header[] = [["Host", host], ["Accept", "*/*"], ...headers];
  if (cookie !== undefined) lines.push(["Cookie", cookie]);
  if (token !== undefined) lines.push(["Authorization", `Bearer ${token}`]);
  if (body !== undefined) lines.push(["Content-Length", String(Buffer.byteLength(body))]);
  return lines;
}

function responseTo(sent: http.ClientRequest, body: string | undefined): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.on("response", resolve);
    sent.on("error", reject);
    sent.on("upgrade", (response, socket) => {
      socket.destroy(); // a WebSocket that was let in: the status says so
      resolve(response);
    });
    sent.end(body);
  });
}

async function beginningOf(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let left = MAX_BYTES;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk.subarray(0, left));
    left -= chunk.length;
    if (left <= 0) break; // leaving the loop ends the connection
  }
  return Buffer.concat(chunks).toString();
}
