// The vectors as they are made, each checked against what its own library says about it.
import { issuedAt } from "./clock.mjs";

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
