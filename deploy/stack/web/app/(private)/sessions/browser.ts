// Some browsers name others, too: the first of these that is there counts.
const BROWSERS = {
  Firefox: "Firefox",
  Edg: "Edge",
  OPR: "Opera",
  Chrome: "Chrome",
  Safari: "Safari",
  curl: "curl",
  node: "Node.js",
};

/** Return the name of the browser, or the beginning of a *userAgent* that is none of these. */
export function browserName(userAgent: string): string {
  const known = Object.entries(BROWSERS).find(([sign]) => userAgent.includes(sign));
  return known?.[1] ?? (userAgent.slice(0, 60) || "Unknown browser");
}
