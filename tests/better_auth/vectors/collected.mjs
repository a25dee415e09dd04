// The vectors as they are made, each checked against what its own library says about it.
import { issuedAt } from "./clock.mjs";
import { randomSecret } from "./texts.mjs";

export const collected = [];
const names = new Set();

export const ACCEPTS = "accepts";
export const REJECTS = "rejects";
export const verdict = (answer) => (answer ? ACCEPTS : REJECTS);

/**
 * Keep one vector. *expected* is an identity (see `identity`), or the reason why there is none, as text.
 *
 * *reference* is the library's own verdict, left out where it was not asked; where it is not the expected one, *differs*
 * says why that is right.
 */
export function collect({ name, kind, producer, config, headers, verifyAt, expiresAt, expected, reference, ...texts }) {
  if (names.has(name)) throw new Error(`${name} is made twice`);
  names.add(name);
  const accept = typeof expected !== "string";
  const { differs, notes, misuse, derivedFrom } = texts;
  if (reference !== undefined && (verdict(accept) !== reference) !== Boolean(differs)) {
    throw new Error(`${name}: expected ${JSON.stringify(expected)}, and its library ${reference} it`);
  }
  const vector = {
    schema: 1,
    name,
    kind,
    producer: { ...producer, node: process.version },
    config,
    request: { headers },
    issued_at: issuedAt(),
    expires_at: expiresAt,
    verify_at: verifyAt ?? issuedAt() + 5,
    expected: accept ? { accept, ...expected } : { accept, reason: expected },
    reference,
    differs,
    notes,
    misuse,
    derived_from: derivedFrom,
  };
  collected.push(vector);
  return vector;
}

/** Keep a vector that is *vector* but for what is given. */
export function derive(vector, { name, headers, config, ...others }) {
  return collect({
    kind: vector.kind,
    producer: vector.producer,
    expiresAt: vector.expires_at,
    ...others,
    name: `${vector.name}--${name}`,
    config: { ...vector.config, ...config },
    headers: headers ?? vector.request.headers,
    derivedFrom: vector.name,
  });
}

/**
 * Keep a vector like *vector* for each of *cases*, {name: [value of the cookie, reason, misuse]}.
 *
 * *asked(headers, config)* is what the library answers, *headers(value)* how a browser sends the value.
 */
export async function deriveRefused(vector, asked, headers, cases) {
  for (const [name, [value, expected, misuse]] of Object.entries(cases)) {
    const reference = verdict(await asked(headers(value), vector.config));
    derive(vector, { name, headers: headers(value), expected, misuse, reference });
  }
}

/** Keep *vector* as it is once it has ended, and under another secret, where *mismatch* is the reason. */
export async function deriveOutlived(vector, asked, mismatch) {
  const { headers } = vector.request;
  const verifyAt = vector.expires_at + 60;
  const ended = verdict(await asked(headers, vector.config, verifyAt));
  derive(vector, { name: "expired", verifyAt, expected: "expired", reference: ended });
  const config = { secret: randomSecret() };
  const reference = verdict(await asked(headers, { ...vector.config, ...config }));
  derive(vector, { name: "wrong-secret", config, expected: mismatch, reference });
}
