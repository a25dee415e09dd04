// Collects the vectors, and checks each against the verdict of its own library.
import { issuedAt } from "./clock.mjs";
import { randomSecret } from "./texts.mjs";

export const collected = [];
const names = new Set();

export const ACCEPTS = "accepts";
export const REJECTS = "rejects";
export const verdict = (answer) => (answer ? ACCEPTS : REJECTS);

/**
 * Add one vector. *expected* is an identity (see `identity`), or the reason for the refusal as text.
 *
 * *reference* is the library's own verdict, undefined if the library was not asked. If it is not the expected verdict,
 * *differs* says why AuthGate differs on purpose.
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

/** Add a copy of *vector* with these changes. */
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
 * Add a copy of *vector* for each of *cases*, {name: [value of the cookie, reason, misuse]}.
 *
 * *asked(headers, config)* returns the library's answer. *headers(value)* returns the headers with this value.
 */
export async function deriveRefused(vector, asked, headers, cases) {
  for (const [name, [value, expected, misuse]] of Object.entries(cases)) {
    const reference = verdict(await asked(headers(value), vector.config));
    derive(vector, { name, headers: headers(value), expected, misuse, reference });
  }
}

/** Add copies of *vector* after its expiry, and with another secret, for which *mismatch* is the reason. */
export async function deriveOutlived(vector, asked, mismatch) {
  const { headers } = vector.request;
  const verifyAt = vector.expires_at + 60;
  const ended = verdict(await asked(headers, vector.config, verifyAt));
  derive(vector, { name: "expired", verifyAt, expected: "expired", reference: ended });
  const config = { secret: randomSecret() };
  const reference = verdict(await asked(headers, { ...vector.config, ...config }));
  derive(vector, { name: "wrong-secret", config, expected: mismatch, reference });
}
