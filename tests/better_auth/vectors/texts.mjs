// Secrets that are new in each run, texts that programs often get wrong, and changes that a forger makes to a token.
import { randomBytes } from "node:crypto";

export const randomSecret = () => `fresh-${randomBytes(33).toString("base64url")}`;

export const base64url = (value) => Buffer.from(value).toString("base64url");

/** Names that a user may choose. The library's own JSON API accepts each of them. */
export const NAMES = {
  "beyond-ascii": "Zoë Ångström-Łukasz 李小龍 محمد",
  emoji: "Ada 🦄👩🏽‍🚀🏴‍☠️",
  "lone-surrogate": "half a pair \ud83d and the other \ude00 apart",
  "separators-and-quotes": 'a"b\\c/d\u2028e\u2029f\u0000g\u001fh\u007f</script>%2e%0d%0a',
  "like-json": '"},"expiresAt":9999999999999,"signature":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}',
};

/** Numbers that JavaScript and other languages write differently. */
export const NUMBERS = [1e-7, 5e-324, 1e21, 123456789012345680000, 0.1, -0, 1.7976931348623157e308, 100, 2 ** 53];

export function flipped(text, index) {
  const place = index < 0 ? text.length + index : index;
  return text.slice(0, place) + (text[place] === "A" ? "B" : "A") + text.slice(place + 1);
}

/** Return the parsed JSON of one part of a compact token. */
export const jsonPart = (token, part) => JSON.parse(Buffer.from(token.split(".")[part], "base64url").toString());

/** Return *token* with one part replaced. Text is used unchanged, an object as base64url of its JSON. */
export function withPart(token, part, value) {
  const parts = token.split(".");
  parts[part] = typeof value === "string" ? value : base64url(JSON.stringify(value));
  return parts.join(".");
}
